#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vmksh as the shell of accounts that ssh leads to: Debian's sshd on loopback with its own port, keys and configuration. A session at
# a terminal, commands, sftp and scp reach the user's machines; nothing leads to another shell. Needs root; the accounts are in files
# that only this test's mount namespace sees.
if [ "$(id -u)" != 0 ] || ! unshare --mount true 2>/dev/null; then
	echo "== skipped: needs root and mount namespaces"
	exit 0
fi
[ -n "${VMK_OWN_MOUNTS:-}" ] || VMK_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
. "$(dirname "$0")/lib.sh"

sftp_server=/usr/lib/openssh/sftp-server
mkdir -m 755 "$TOP/bin" "$TOP/home" "$TOP/keys"
# The build may lie where others cannot go.
cp -L "$BIN/vmksh" "$BIN/vmk-login" "$TOP/bin/"
for file in passwd group shadow; do
	cp -p /etc/$file "$TOP/$file"
	mount --bind "$TOP/$file" /etc/$file || die "mount --bind"
done
ssh-keygen -q -t ed25519 -N '' -f "$TOP/key" && ssh-keygen -q -t ed25519 -N '' -f "$TOP/host_key" || die "ssh-keygen"
uid=10070
for user in susie bob; do
	uid=$((uid + 1))
	echo "$user:x:$uid:$uid::$TOP/home/$user:$TOP/bin/vmksh" >>/etc/passwd
	echo "$user:x:$uid:" >>/etc/group
	echo "$user:*:19000:0:99999:7:::" >>/etc/shadow
	mkdir -m 700 "$TOP/home/$user" "$TOP/home/$user/.ssh"
	cp "$TOP/key.pub" "$TOP/keys/$user"
	chown -R $uid:$uid "$TOP/home/$user"
	chmod 644 "$TOP/keys/$user"
done
start_host
sshd_pid=""
trap 'status=$?; [ -z "$sshd_pid" ] || kill $sshd_pid; (exit $status); cleanup' EXIT

# ---- sshd, as the manual page says ----

start_sshd() {
	cat >"$TOP/sshd_config" <<-END
		Port $port
		ListenAddress 127.0.0.1
		HostKey $TOP/host_key
		AuthorizedKeysFile $TOP/keys/%u
		PidFile none
		StrictModes no
		UsePAM no
		PrintMotd no
		PasswordAuthentication no
		AcceptEnv PAGER LESS* LANG LC_*
		SetEnv VMK_ROOT=$VMK_ROOT
		Subsystem sftp $sftp_server
		Match User susie,bob
		    DisableForwarding yes
	END
	mkdir -p /run/sshd
	/usr/sbin/sshd -D -e -f "$TOP/sshd_config" </dev/null >>"$TOP/sshd.log" 2>&1 &
	sshd_pid=$!
}

answers() {
	(: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null && kill -0 $sshd_pid
}
for _ in 1 2 3 4 5; do
	port=$(free_port)
	start_sshd
	eventually 2 answers && break
	kill $sshd_pid 2>/dev/null
done
answers || { cat "$TOP/sshd.log"; die "sshd does not start"; }

ssh_options=(-F none -i "$TOP/key" -o IdentitiesOnly=yes -o StrictHostKeyChecking=accept-new -o "UserKnownHostsFile=$TOP/known_hosts" -o BatchMode=yes
	-o LogLevel=ERROR)
ssh_as() { # USER [words for ssh...]
	local user=$1
	shift
	ssh "${ssh_options[@]}" -p $port "$user@127.0.0.1" "$@" </dev/null
}
sftp_as() { # USER: commands on stdin
	sftp -q "${ssh_options[@]}" -P $port -b - "$1@127.0.0.1"
}
scp_as() {
	scp -q "${ssh_options[@]}" -P $port "$@"
}

say "commands"
[ "$(ssh_as susie vm list --json | tr -d ' \n')" = '[]' ] || die "vm list of a user who owns nothing: $(ssh_as susie vm list --json)"
ssh_as susie 'vm create web memory 16; vm show web' | grep -q 'Owner: *susie' || die "vm create by ssh"
ssh_as susie vm list --json | python3 -c 'import json, sys; assert [vm["name"] for vm in json.load(sys.stdin)] == ["web"]' || die "vm list --json"
[ "$(ssh_as bob vm list --json | tr -d ' \n')" = '[]' ] || die "bob sees susie's machine"
ssh_as susie vm show nosuch 2>/dev/null
[ $? = 1 ] || die "a command that fails does not end with 1"
ssh_as susie vm shw 2>/dev/null
[ $? = 2 ] || die "a mistake does not end with 2"
printf 'whoami\nvm list\n' | ssh "${ssh_options[@]}" -p $port susie@127.0.0.1 | grep -q '^ *web ' || die "a script on standard input"

say "a session at a terminal"
session() { # USER
	in_terminal 100x30 "ssh ${ssh_options[*]} -p $port $1@127.0.0.1; echo it ended with \$?; sleep 1000"
}
session susie
wait_terminal 20 '^vmk:susie>'
terminal_keys 'vm sh' Tab 'we' Tab Enter
wait_terminal 10 '^vmk:susie> vm show web'
wait_terminal 10 'Configuration: .*/local/susie/web/web.vmx'
terminal_keys 'rm -rf x' C-c
wait_terminal 10 '\^C'
terminal_keys 'whoami' Enter
wait_terminal 10 'User: *susie'
terminal_keys C-d
wait_terminal 10 'it ended with 0'
[ "$(stat -c '%U %a' "$TOP/home/susie/.vmksh_history")" = 'susie 600' ] || die "the history is not susie's"
tmux -S "$TMUX_SOCKET" kill-server

say "a terminal that vanishes"
shell_runs() {
	pgrep -u susie -x vmksh >/dev/null
}
no_shell() {
	! shell_runs
}
session susie
wait_terminal 20 '^vmk:susie>'
shell_runs || die "where is the shell?"
tmux -S "$TMUX_SOCKET" kill-server
eventually 20 no_shell || die "a shell stays behind when its connection is gone"

say "sftp and scp"
head -c 300000 /dev/urandom >"$TOP/disc"
sftp_as susie >"$TOP/out" <<END || { cat "$TOP/out"; die "sftp"; }
put $TOP/disc web/disc.iso
get web/web.vmx $TOP/got.vmx
ls web
END
grep -q 'web/disc.iso' "$TOP/out" || die "ls by sftp: $(cat "$TOP/out")"
cmp "$TOP/disc" "$VMK_ROOT/vmfs/volumes/local/susie/web/disc.iso" || die "what sftp put is not what there is"
[ "$(stat -c %U "$VMK_ROOT/vmfs/volumes/local/susie/web/disc.iso")" = susie ] || die "it is not susie's"
cmp "$TOP/got.vmx" "$VMK_ROOT/vmfs/volumes/local/susie/web/web.vmx" || die "what sftp got is not what there is"
for old in '' -O; do
	scp_as $old "$TOP/disc" susie@127.0.0.1:web/copy$old || die "scp $old there"
	scp_as $old susie@127.0.0.1:web/copy$old "$TOP/back$old" || die "scp $old back"
	cmp "$TOP/disc" "$TOP/back$old" || die "scp $old changed it"
done
scp_as -O -r -p susie@127.0.0.1:web "$TOP/whole" && cmp "$TOP/disc" "$TOP/whole/disc.iso" || die "scp -r"
ssh_as susie 'vm set web ide1:0.fileName disc.iso; vm set web ide1:0.present TRUE; vm set web ide1:0.deviceType cdrom-image; vm start web' || die "vm start with the CD"
wait_state web on 10
vmk vm stop web hard >/dev/null || die "vm stop"

say "a user who owns nothing, and what is not his"
printf 'ls\n' | sftp_as bob >/dev/null || die "sftp without machines"
expect_failure '.' sftp_as bob <<<"put $TOP/disc disc"
expect_failure '.' sftp_as bob <<<"get $VMK_ROOT/vmfs/volumes/local/susie/web/web.vmx $TOP/stolen"
expect_failure '.' scp_as bob@127.0.0.1:/etc/hosts "$TOP/stolen"
[ ! -e "$TOP/stolen" ] || die "bob took a file"
landlock() {
	python3 -c 'import ctypes; raise SystemExit(ctypes.CDLL(None).syscall(444, None, 0, 1) <= 0)'
}
if landlock; then
	expect_failure '.' sftp_as susie <<<"put $TOP/key.pub $TOP/home/susie/.ssh/authorized_keys"
	expect_failure '.' sftp_as susie <<<"get $TOP/home/susie/.vmksh_history $TOP/stolen"
	expect_failure '.' sftp_as susie <<<"ls /etc"
	# A machine of hers beside her keys does not open the place, not by a link either.
	ssh_as susie "vm create beside path $TOP/home/susie/.ssh/x.vmx memory 4" >/dev/null || die "vm create beside the keys"
	expect_failure '.' sftp_as susie <<<"put $TOP/key.pub $TOP/home/susie/.ssh/authorized_keys"
	expect_failure '.' sftp_as susie <<<"get $TOP/home/susie/.ssh/x.vmx $TOP/stolen"
	ln -s "$TOP/home/susie/.ssh" "$VMK_ROOT/vmfs/volumes/local/susie/linked"
	ssh_as susie "vm create linked path $VMK_ROOT/vmfs/volumes/local/susie/linked/y.vmx memory 4" >/dev/null 2>&1
	expect_failure '.' sftp_as susie <<<"put $TOP/key.pub linked/authorized_keys"
	[ ! -e "$TOP/home/susie/.ssh/authorized_keys" ] && [ ! -e "$TOP/stolen" ] || die "a machine opens the folder it is in"
	# One on another volume, which may be a link, opens its folder.
	install -d "$TOP/disk" && install -d -o susie "$TOP/disk/susie" && ln -s "$TOP/disk" "$VMK_ROOT/vmfs/volumes/second"
	ssh_as susie "vm create far path $VMK_ROOT/vmfs/volumes/second/susie/far.vmx memory 4" >/dev/null || die "vm create on a second volume"
	sftp_as susie >/dev/null <<<"put $TOP/key.pub $VMK_ROOT/vmfs/volumes/second/susie/new" || die "no writing beside a machine on a second volume"
	ln -s /etc "$VMK_ROOT/vmfs/volumes/local/susie/web/out"
	expect_failure '.' sftp_as susie <<<"get web/out/hosts $TOP/stolen"
	expect_failure '.' scp_as -O susie@127.0.0.1:/etc/hosts "$TOP/stolen"
else
	say "this kernel has no Landlock: modes alone are in the way"
fi

say "no way to another shell"
proof=$TOP/home/susie/proof
cat >"$TOP/home/susie/.ssh/rc" <<END
touch $proof
END
for file in .profile .bashrc .vmkshrc; do
	echo "touch $proof" >"$TOP/home/susie/$file"
done
chown -R susie "$TOP/home/susie"
printf '#!/bin/sh\ntouch %s\n' "$proof" >"$TOP/pager"
chmod 755 "$TOP/pager"
while read -r line; do
	ssh_as susie "$line" >/dev/null 2>&1
	[ ! -e "$proof" ] || die "ssh '$line' leads to another program"
done <<END
touch $proof
/bin/sh -c 'touch $proof'
vm list; touch $proof
vm list && touch $proof
vm list | touch $proof
vm list \`touch $proof\`
vm list \$(touch $proof)
!touch $proof
exec touch $proof
$sftp_server; touch $proof
$sftp_server -d / ; /bin/touch $proof
scp -S $TOP/pager -t x
scp -t -S $TOP/pager x
scp -o ProxyCommand=$TOP/pager -f host:x y
scp -f x; touch $proof
scp -t \`touch $proof\`
watch touch $proof
alias touch /bin/touch; touch $proof
END
# Where output is longer than the screen something shows it page by page.
in_terminal 60x8 "PAGER=$TOP/pager LESSOPEN='|$TOP/pager %s' ssh -o 'SendEnv PAGER LESSOPEN' ${ssh_options[*]} -p $port susie@127.0.0.1; echo it ended; sleep 1000"
wait_terminal 20 '^vmk:susie>'
terminal_keys 'help' Enter
wait_terminal 10 '^:|-- more|\(END\)|^lines '
terminal_keys "!touch $proof" Enter
terminal_keys q
terminal_keys C-c
terminal_keys C-u "!touch $proof" Enter
wait_terminal 10 '^vmk:susie>'
terminal_keys C-u 'exit 0' Enter
wait_terminal 10 'it ended'
[ ! -e "$proof" ] || die "a pager or a rc file leads to another program"
tmux -S "$TMUX_SOCKET" kill-server
expect_failure 'prohibited|refused|failed|closed' ssh_as susie -W "127.0.0.1:$port"
exit 0

# SPDX-License-Identifier: GPL-2.0-or-later
# environment.sh - one environment for all tests, whoever calls them: source it. script(1) and tmux run their commands by $SHELL, curses heeds
# LINES, curl a proxy, cd CDPATH; files that susie is to read depend on the umask; daemons close as many descriptors as there may be.
export LC_ALL=C.UTF-8 SHELL=/bin/bash TERM=xterm-256color
export no_proxy="127.0.0.1,localhost${no_proxy:+,$no_proxy}" # guests' packages may well need one
unset BASH_ENV CDPATH COLORTERM COLUMNS DESTDIR DISPLAY ENV ESCDELAY HISTFILE INPUTRC LANGUAGE LESS LESSOPEN LINES LISTEN_FDS LISTEN_PID \
	MAKEFLAGS MFLAGS MODE MODEL NOTIFY_SOCKET NO_COLOR PAGER POSIXLY_CORRECT PREFIX PROMPT_COMMAND TERMINFO TMPDIR TMUX TZ V WAYLAND_DISPLAY XAUTHORITY
umask 022
ulimit -Sc 0
ulimit -Sn 4096 2>/dev/null || ulimit -Sn "$(ulimit -Hn)"
exec </dev/null

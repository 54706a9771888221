#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# checks.sh - run inside a Debian guest by long_debian.sh: what its programs compute is right. Says "checks: all right" at the end.
set -eu

# expect WHAT WANTED COMMAND...: the command's output
expect() {
	what=$1 wanted=$2
	shift 2
	if ! got=$("$@" 2>&1) || [ "$got" != "$wanted" ]; then
		echo "checks: $what: '$got', not '$wanted'"
		exit 1
	fi
	echo "checks: $what"
}

apt_version() {
	apt-get --version | head -n 1 | cut -d ' ' -f 1,3
}
expect "apt-get" "apt (amd64)" apt_version

# The digit sum of a Mersenne prime, pi by Machin's formula in integers, square roots, a checksum, a power modulo
cat >/tmp/sums.py <<'END'
import math, zlib
def arctan(x, unit):
    term = total = unit // x
    n = 3
    while term:
        term //= -x * x
        total += term // n
        n += 2
    return total
unit = 10 ** 310
print(sum(map(int, str(2 ** 4423 - 1))), str(4 * (4 * arctan(5, unit) - arctan(239, unit)))[291:301])
print("%.10f" % sum(math.sqrt(n) for n in range(1, 20001)), zlib.crc32(bytes(range(256)) * 4096))
print(pow(3, 10 ** 30, 10 ** 30 + 57), hash(0.1), sorted("unmodified", reverse=True)[0])
END
sums='5950 0249141273
1885688.5862506484 80798773
269212275666402027649700328776 230584300921369408 u'
expect "python3" "$sums" python3 /tmp/sums.py

cat >/tmp/sieve.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void)
{
	enum { N = 2000000 };
	char *composite = calloc(N, 1);
	unsigned count = 0;
	double inverse = 0;
	for (unsigned n = 2; n < N; n++) {
		if (composite[n])
			continue;
		count++;
		inverse += 1.0 / n;
		for (unsigned m = 2 * n; m < N; m += n)
			composite[m] = 1;
	}
	printf("%u %.6f %Lg\n", count, inverse, (long double)count * count);
	return 0;
}
END
for level in 0 2; do
	gcc -O$level -Wall -o /tmp/sieve /tmp/sieve.c
	expect "gcc -O$level" "148933 2.936292 2.2181e+10" /tmp/sieve
done

# FIPS 180-2 appendix B.3 and C.3: a million times "a"
digest() {
	head -c 1000000 /dev/zero | tr '\0' a | openssl dgst -r "-$1" | cut -d ' ' -f 1
}
expect "sha256" cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0 digest sha256
expect "sha512" e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973ebde0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b digest sha512
# FIPS 197 appendix C.1 and C.3
encrypt() { # CIPHER KEY
	printf '\000\021\042\063\104\125\146\167\210\231\252\273\314\335\356\377' | openssl enc "-$1" -K "$2" -nopad | od -An -tx1 | tr -d ' \n'
}
expect "aes-128" 69c4e0d86a7b0430d8cdb78070b4c55a encrypt aes-128-ecb 000102030405060708090a0b0c0d0e0f
expect "aes-256" 8ea2b7ca516745bfeafc49904b496089 encrypt aes-256-ecb 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out /tmp/key 2>/dev/null
openssl pkey -in /tmp/key -pubout -out /tmp/public
openssl dgst -sha256 -sign /tmp/key -out /tmp/signature /tmp/sums.py
expect "rsa" "Verified OK" openssl dgst -sha256 -verify /tmp/public -signature /tmp/signature /tmp/sums.py
openssl speed -seconds 1 -bytes 1024 -evp sha256 2>/dev/null | tail -n 1
openssl speed -seconds 1 -bytes 1024 -evp aes-128-cbc 2>/dev/null | tail -n 1

systemctl is-system-running --wait | sed 's/^/checks: the system is /'
[ -z "$(systemctl --failed --no-legend)" ] || { systemctl --failed; exit 1; }
echo "checks: all right"

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sleeper.c - a service's stand-in, under whatever name it is copied to: does nothing until a signal ends it. sleep(1) may be a program of many names. */
#include <unistd.h>

int main(void)
{
	for (;;)
		pause();
}

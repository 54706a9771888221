// uses:
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* listen_any.c - starts vmk-mks with a socket that listens on every address, which it must refuse: listen_any VMK-MKS */
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_in any = {.sin_family = AF_INET};
	char number[16];
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (argc != 2 || bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, 1))
		return 0;
	snprintf(number, sizeof(number), "%d", fd);
	execl(argv[1], "vmk-mks", "--screen-fd", "0", "--listen-fd", number, (char *)NULL);
	return 0;
}

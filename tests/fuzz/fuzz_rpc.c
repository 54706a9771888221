// uses: api lib -ljansson
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a client sends: cut into lines, parsed as requests, checked against the rows. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/rpc.h"
#include "lib/types.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one_line(const char *line, size_t len)
{
	struct rpc_request r;
	struct error err = {0};
	size_t answer_len;
	int code = rpc_request_parse(line, len, &r, &err);
	BUG_ON(code && !err.text[0]);
	if (!code) {
		const struct api_method *m = api_find(r.method);
		/* Every row sees every params: the method's name is the least interesting part. */
		for (unsigned k = 0; k < api_method_count; k++) {
			json_t *params = json_deep_copy(r.params);
			struct error why;
			if (api_check(&api_methods[k], params, &why) == 0)
				BUG_ON(api_check(&api_methods[k], params, &why) != 0); /* defaults pass too */
			json_decref(params);
		}
		if (!m)
			fail(&err, -ENOSYS, "no method named %.60s", r.method);
	}
	char *text = rpc_error(r.id, RPC_FAILED, &err, &answer_len);
	BUG_ON(strlen(text) != answer_len || strchr(text, '\n') != text + answer_len - 1);
	free(text);
	rpc_request_free(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rpc_lines l = {0};
	size_t at = 0;
	char *line;
	size_t len;
	for (;;) {
		int ret = rpc_lines_next(&l, &line, &len);
		if (ret == 1) {
			one_line(line, len);
			rpc_lines_drop(&l);
			continue;
		}
		if (ret == 0 && at == size)
			break;
		size_t room;
		void *to = rpc_lines_room(&l, &room);
		size_t n = to ? MIN(room, size - at) : 0;
		if (n) {
			memcpy(to, data + at, n);
			rpc_lines_added(&l, n);
			at += n;
		}
	}
	rpc_lines_free(&l);
	return 0;
}

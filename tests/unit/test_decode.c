// uses: cpu lib -lZydis
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decoder and disassembler against Zydis: the same bytes are an instruction of the same length, and read the same.
 * VMK_DECODE_FULL=1 tries every ModRM value with every prefix subset (minutes).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <Zydis/Zydis.h>

#include "cpu/insn.h"

#define SEED   0x5eed1234u
#define BUFFER 24

static ZydisDecoder zydis[3];
static ZydisFormatter formatter;
static const char *const mode_names[] = {"16-bit", "32-bit", "64-bit"};

static u32 random_state = SEED;
static u32 random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state;
}

static void setup(void)
{
	static const ZydisMachineMode machine[] = {ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_MACHINE_MODE_LEGACY_32,
						   ZYDIS_MACHINE_MODE_LONG_64};
	static const ZydisStackWidth stack[] = {ZYDIS_STACK_WIDTH_16, ZYDIS_STACK_WIDTH_32, ZYDIS_STACK_WIDTH_64};
	/* extensions in the hint-NOP range, and what gives F3 a meaning older CPUs do not know */
	static const ZydisDecoderMode off[] = {ZYDIS_DECODER_MODE_MPX,	    ZYDIS_DECODER_MODE_CET,
					       ZYDIS_DECODER_MODE_WBNOINVD, ZYDIS_DECODER_MODE_CLDEMOTE};

	for (unsigned m = 0; m < 3; m++) {
		ZydisDecoderInit(&zydis[m], machine[m], stack[m]);
		for (unsigned n = 0; n < ARRAY_SIZE(off); n++)
			ZydisDecoderEnableMode(&zydis[m], off[n], false);
	}
	ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
	ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_FORCE_SIZE, true);
	ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, false);
	ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE, ZYDIS_PADDING_DISABLED);
	ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_DISP_PADDING, ZYDIS_PADDING_DISABLED);
	ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_IMM_PADDING, ZYDIS_PADDING_DISABLED);
}

/* Instruction sets the table covers. */
static bool is_covered(const ZydisDecodedInstruction *z)
{
	switch (z->meta.isa_set) {
	case ZYDIS_ISA_SET_I86:
	case ZYDIS_ISA_SET_I186:
	case ZYDIS_ISA_SET_I286PROTECTED:
	case ZYDIS_ISA_SET_I286REAL:
	case ZYDIS_ISA_SET_I386:
	case ZYDIS_ISA_SET_I486:
	case ZYDIS_ISA_SET_I486REAL:
	case ZYDIS_ISA_SET_PENTIUMREAL:
	case ZYDIS_ISA_SET_PPRO:
	case ZYDIS_ISA_SET_CMOV:
	case ZYDIS_ISA_SET_LAHF:
	case ZYDIS_ISA_SET_RDPMC:
	case ZYDIS_ISA_SET_X87:
	case ZYDIS_ISA_SET_FCMOV:
	case ZYDIS_ISA_SET_FAT_NOP:
	case ZYDIS_ISA_SET_PAUSE:
	case ZYDIS_ISA_SET_CLFSH:
	case ZYDIS_ISA_SET_LONGMODE:
	case ZYDIS_ISA_SET_SSE_PREFETCH:
	case ZYDIS_ISA_SET_PENTIUMMMX:
	case ZYDIS_ISA_SET_SSE:
	case ZYDIS_ISA_SET_SSEMXCSR:
	case ZYDIS_ISA_SET_SSE2:
	case ZYDIS_ISA_SET_SSE2MMX:
	case ZYDIS_ISA_SET_SSE3:
	case ZYDIS_ISA_SET_SSE3X87:
	case ZYDIS_ISA_SET_SSSE3:
	case ZYDIS_ISA_SET_SSSE3MMX:
	case ZYDIS_ISA_SET_SSE4:
	case ZYDIS_ISA_SET_SSE42:
	case ZYDIS_ISA_SET_AES:
	case ZYDIS_ISA_SET_PCLMULQDQ:
	case ZYDIS_ISA_SET_POPCNT:
	case ZYDIS_ISA_SET_CMPXCHG16B:
	case ZYDIS_ISA_SET_SMAP:
	case ZYDIS_ISA_SET_RDTSCP:
	case ZYDIS_ISA_SET_AVX:
	case ZYDIS_ISA_SET_AVX2:
	case ZYDIS_ISA_SET_AVX2GATHER:
	case ZYDIS_ISA_SET_AVXAES:
	case ZYDIS_ISA_SET_F16C:
	case ZYDIS_ISA_SET_FMA:
	case ZYDIS_ISA_SET_BMI1:
	case ZYDIS_ISA_SET_BMI2:
	case ZYDIS_ISA_SET_LZCNT:
	case ZYDIS_ISA_SET_MOVBE:
		return true;
	case ZYDIS_ISA_SET_FXSAVE:
	case ZYDIS_ISA_SET_FXSAVE64:
	case ZYDIS_ISA_SET_RDRAND:
	case ZYDIS_ISA_SET_RDSEED:
	case ZYDIS_ISA_SET_RDPID:
	case ZYDIS_ISA_SET_RDWRFSGS:
	case ZYDIS_ISA_SET_XSAVE:
	case ZYDIS_ISA_SET_XSAVEC:
	case ZYDIS_ISA_SET_XSAVEOPT:
	case ZYDIS_ISA_SET_XSAVES:
		return true;
	case ZYDIS_ISA_SET_PREFETCHWT1:
	case ZYDIS_ISA_SET_PREFETCH_NOP:
		return z->raw.modrm.mod != 3; /* of registers Intel's have it, AMD's not */
	default:
		return z->mnemonic == ZYDIS_MNEMONIC_LFENCE || z->mnemonic == ZYDIS_MNEMONIC_MFENCE ||
		       z->mnemonic == ZYDIS_MNEMONIC_SFENCE;
	}
}

/* Where hardware, or what vmk shows its guests, differs from Zydis on purpose: name and reason, used in messages. */
static const char *deliberate_difference(const ZydisDecodedInstruction *z, bool zydis_ok, const u8 *bytes,
					 enum insn_mode mode)
{
	(void)bytes;
	(void)mode;
	if (zydis_ok && z->meta.isa_set == ZYDIS_ISA_SET_AMD && z->opcode_map == ZYDIS_OPCODE_MAP_0F)
		return "SYSCALL and SYSRET outside 64-bit mode exist only at AMD";
	return NULL;
}

static void explain(const u8 *bytes, enum insn_mode mode, const char *what, unsigned ours, unsigned theirs,
		    ZyanStatus status, const ZydisDecodedInstruction *z)
{
	char hex[3 * BUFFER + 1] = "";

	for (unsigned n = 0; n < 16; n++)
		sprintf(hex + 3 * n, "%02x ", bytes[n]);
	cr_log_error("%s, %s: %s: ours %u, Zydis %u (status %x, %s, %s)", mode_names[mode], hex, what, ours, theirs,
		     status, ZYAN_SUCCESS(status) ? ZydisMnemonicGetString(z->mnemonic) : "-",
		     ZYAN_SUCCESS(status) ? ZydisISASetGetString(z->meta.isa_set) : "-");
}

static unsigned failures;

/* Compares one buffer; true when both say it is an instruction. */
static bool compare(const u8 *bytes, enum insn_mode mode, struct insn *i)
{
	ZydisDecodedInstruction z = {0};
	ZyanStatus status = ZydisDecoderDecodeInstruction(&zydis[mode], NULL, bytes, BUFFER, &z);
	enum decode_result result = insn_decode(bytes, BUFFER, mode, i);
	bool theirs = ZYAN_SUCCESS(status), ours = result == DECODE_OK;

	if (ours == (theirs && is_covered(&z))) {
		if (!ours || i->len == z.length)
			return ours;
		explain(bytes, mode, "length", i->len, z.length, status, &z);
	} else if (deliberate_difference(&z, theirs, bytes, mode)) {
		return false;
	} else {
		explain(bytes, mode, ours ? insn_rows[i->op].name : "validity", result, theirs, status, &z);
	}
	cr_assert(++failures < 30, "too many differences");
	return false;
}

static void fill(u8 *bytes, const u8 *head, unsigned head_len)
{
	static const u8 tail[BUFFER] = {0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0x21, 0x43, 0x65, 0x87,
					0xa9, 0xcb, 0xed, 0x0f, 0x31, 0x52, 0x73, 0x94, 0xb5, 0xd6, 0xf7, 0x18};

	memcpy(bytes, head, head_len);
	memcpy(bytes + head_len, tail, BUFFER - head_len);
}

/* All opcodes of all maps behind `prefixes`, with every ModRM, or only with those that can make a difference. */
static void compare_opcodes(const u8 *prefixes, unsigned count, enum insn_mode mode, bool every_modrm)
{
	u8 head[8], bytes[BUFFER];
	struct insn i;

	memcpy(head, prefixes, count);
	for (unsigned op = 0; op < 1024; op++) {
		unsigned n = count;

		if (op >= 256)
			head[n++] = 0x0F;
		if (op >= 512)
			head[n++] = op < 768 ? 0x38 : 0x3A;
		head[n++] = op;
		for (unsigned modrm = 0; modrm < 256; modrm++) {
			/* mod 0: rm 4, 5, 6 (SIB and direct addresses); mod 1 and 3: rm 0 */
			bool telling =
			    modrm < 0x40 ? (modrm & 7) >= 4 && (modrm & 7) <= 6 : !(modrm & 0x87) || modrm >= 0xC0;

			if (!every_modrm && (!telling || (modrm >= 0xC0 && modrm & 3)))
				continue;
			head[n] = modrm;
			fill(bytes, head, n + 1);
			/* no ModRM byte: its other values are the same instruction */
			if (compare(bytes, mode, &i) && modrm > 8 && !i.modrm)
				break;
		}
	}
}

static void compare_prefix_subsets(enum insn_mode mode)
{
	static const u8 prefixes[] = {0x66, 0x67, 0xF0, 0xF2, 0xF3, 0x2E, 0x65,
				      0x48, 0x41, 0x26, 0x36, 0x3E, 0x64, 0x4F};
	bool full = getenv("VMK_DECODE_FULL");
	/* in a quick run one segment override and two REX prefixes stand for all */
	unsigned count = full ? ARRAY_SIZE(prefixes) : mode == MODE_64 ? 9 : 7;
	u8 chosen[3];

	compare_opcodes(chosen, 0, mode, true);
	for (unsigned a = 0; a < ARRAY_SIZE(prefixes); a++) {
		chosen[0] = prefixes[a];
		compare_opcodes(chosen, 1, mode, full || a < 5);
	}
	for (unsigned a = 0; a < count; a++)
		for (unsigned b = 0; b < count; b++) {
			chosen[0] = prefixes[a];
			chosen[1] = prefixes[b];
			if (a != b)
				compare_opcodes(chosen, 2, mode, full);
			for (unsigned c = b + 1; a < b && c < count; c++) {
				chosen[2] = prefixes[c];
				compare_opcodes(chosen, 3, mode, full);
			}
		}
	cr_assert_eq(failures, 0);
}

Test(decode, prefix_subsets_16, .init = setup)
{
	compare_prefix_subsets(MODE_16);
}

Test(decode, prefix_subsets_32, .init = setup)
{
	compare_prefix_subsets(MODE_32);
}

Test(decode, prefix_subsets_64, .init = setup)
{
	compare_prefix_subsets(MODE_64);
}

/* ---- VEX ---- */

/* One opcode behind a prefix of `len` bytes, with ModRM that can make a difference. */
static void compare_vex_opcode(u8 *head, unsigned len, enum insn_mode mode)
{
	static const u8 telling[] = {0x04, 0x05, 0x06, 0x08, 0x14, 0x44, 0x80, 0xA4, 0xC1, 0xD3, 0xDA, 0xE6, 0xEF, 0xF7, 0xFA};
	u8 bytes[BUFFER];
	struct insn i;

	for (unsigned opcode = 0; opcode < 256; opcode++)
		for (unsigned m = 0; m < ARRAY_SIZE(telling); m++) {
			head[len] = opcode;
			head[len + 1] = telling[m];
			fill(bytes, head, len + 2);
			compare(bytes, mode, &i);
		}
}

/* Every L, W, pp and map; registers, so far as rules depend on them. */
static void compare_vex(enum insn_mode mode)
{
	static const u8 registers[] = {0xE0, 0x80, 0x60, 0xC0, 0xA0}, vvvv[] = {0x78, 0x70, 0x48, 0x38, 0x00};
	u8 head[8];

	for (unsigned n = 0; n < 2 * 5 * 8; n++) {
		head[0] = 0xC5;
		head[1] = (n & 1) << 7 | vvvv[n / 2 % 5] | (n / 10 & 7);
		compare_vex_opcode(head, 2, mode);
	}
	for (unsigned n = 0; n < 5 * 5 * 16 * 6; n++) {
		head[0] = 0xC4;
		head[1] = registers[n % 5] | n / (5 * 5 * 16);
		head[2] = (n / 25 & 8) << 4 | vvvv[n / 5 % 5] | (n / 25 & 7);
		compare_vex_opcode(head, 3, mode);
	}
	cr_assert_eq(failures, 0);
}

Test(decode, vex_16, .init = setup)
{
	compare_vex(MODE_16);
}

Test(decode, vex_32, .init = setup)
{
	compare_vex(MODE_32);
}

Test(decode, vex_64, .init = setup)
{
	compare_vex(MODE_64);
}

/* Random bytes with a taste for prefixes, so that all orders and repetitions turn up. */
static void fill_random(u8 *bytes)
{
	static const u8 prefixes[] = {0x66, 0x67, 0xF0, 0xF2, 0xF3, 0x2E, 0x65, 0x26,
				      0x36, 0x3E, 0x64, 0x48, 0x41, 0x44, 0x0F, 0xC4, 0xC5};
	unsigned n = 0;

	while (n < 15 && random_next() % 8 < 5)
		bytes[n++] = prefixes[random_next() % ARRAY_SIZE(prefixes)];
	while (n < BUFFER)
		bytes[n++] = random_next() >> 8;
}

Test(decode, random_bytes, .init = setup)
{
	u8 bytes[BUFFER];
	struct insn i;

	for (unsigned n = 0; n < 600000; n++) {
		enum insn_mode mode = n % 3;

		fill_random(bytes);
		if (!compare(bytes, mode, &i))
			continue;
		for (unsigned avail = 0; avail < 15 && n % 4 < 2; avail++) {
			enum decode_result want = avail < i.len ? DECODE_SHORT : DECODE_OK;
			struct insn again;

			cr_assert_eq(insn_decode(bytes, avail, mode, &again), want, "%u of %u bytes of case %u", avail,
				     i.len, n);
		}
	}
	cr_assert_eq(failures, 0);
}

Test(decode, length_limit)
{
	u8 bytes[BUFFER];
	struct insn i;

	memset(bytes, 0x66, sizeof(bytes));
	cr_assert_eq(insn_decode(bytes, 14, MODE_32, &i), DECODE_SHORT);
	cr_assert_eq(insn_decode(bytes, 15, MODE_32, &i), DECODE_TOO_LONG);
	bytes[14] = 0x90;
	cr_assert_eq(insn_decode(bytes, 15, MODE_32, &i), DECODE_OK);
	cr_assert_eq(i.len, 15);
	bytes[14] = 0x04; /* ADD AL, Ib: its immediate would be the 16th byte */
	cr_assert_eq(insn_decode(bytes, 15, MODE_32, &i), DECODE_TOO_LONG);
	cr_assert_eq(insn_decode(bytes, BUFFER, MODE_32, &i), DECODE_TOO_LONG);
}

/* ---- text ---- */

/* Replaces every `from` in s by `to`, which is not longer. */
static void replace(char *s, const char *from, const char *to)
{
	for (char *at = strstr(s, from); at; at = strstr(at + strlen(to), from)) {
		memmove(at + strlen(to), at + strlen(from), strlen(at + strlen(from)) + 1);
		memcpy(at, to, strlen(to));
	}
}

/* Away with differences of taste. */
static void normalise(char *s)
{
	static const char *const drop[][2] = {
	    {"*1", ""},	       {"st0, ", ""},	{", st0", ""},	{" st0", ""},  {"xacquire ", ""},
	    {"xrelease ", ""}, {"ds:[", "["},	{"ss:[", "["}, /* Zydis shows an override that changes nothing */
	    {"8087_nop", ""},  {"287_nop", ""}, {"repne ", ""}, {"repe ", ""}, {"rep ", ""},
	};

	for (unsigned n = 0; n < ARRAY_SIZE(drop); n++)
		replace(s, drop[n][0], drop[n][1]);
}

static void normalise_ours(char *s)
{
	static const char *const aliases[][2] = {
	    {"fcom2", "fcom"}, {"fcomp3", "fcomp"}, {"fcomp5", "fcomp"}, {"fxch4", "fxch"},   {"fxch7", "fxch"},
	    {"fstp8", "fstp"}, {"fstp9", "fstp"},   {"fneni", "feni"},	 {"fndisi", "fdisi"}, {"fnsetpm", "fsetpm"}};

	if (!strncmp(s, "retf", 4)) {
		char rest[64];

		strcpy(rest, s + 4);
		sprintf(s, "ret far%s", rest);
	}

	for (unsigned n = 0; n < ARRAY_SIZE(aliases); n++)
		replace(s, aliases[n][0], aliases[n][1]);
	normalise(s);
}

/* Hints 0F 0D and 0F 18-1F have more names in Zydis; to these others it gives operand sizes where the manual has none, or another. */
static bool is_named_otherwise(const char *ours)
{
	static const char *const names[] = {"nop ", "prefetchw ", "ud0 ", "ud1 ", "invlpg ", "clflush ", "lar ", "lsl ", "movsxd "};

	for (unsigned n = 0; n < ARRAY_SIZE(names); n++)
		if (!strncmp(ours, names[n], strlen(names[n])))
			return true;
	return false;
}

static void compare_text(const u8 *bytes, enum insn_mode mode)
{
	ZydisDecodedInstruction z;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	char ours[128], theirs[128];
	const u64 ip = 0x1000;
	struct insn i;

	if (insn_decode(bytes, BUFFER, mode, &i) != DECODE_OK ||
	    ZYAN_FAILED(ZydisDecoderDecodeFull(&zydis[mode], bytes, BUFFER, &z, operands)))
		return;
	insn_format(&i, mode, ip, ours, sizeof(ours));
	ZydisFormatterFormatInstruction(&formatter, &z, operands, z.operand_count_visible, theirs, sizeof(theirs), ip,
					NULL);
	normalise_ours(ours);
	normalise(theirs);
	if (!strcmp(ours, theirs) || is_named_otherwise(ours))
		return;
	cr_log_error("%s %02x %02x %02x %02x %02x: ours \"%s\", Zydis \"%s\"", mode_names[mode], bytes[0], bytes[1],
		     bytes[2], bytes[3], bytes[4], ours, theirs);
	cr_assert(++failures < 60, "too many differences");
}

Test(disasm, every_opcode, .init = setup)
{
	static const u8 prefixes[] = {0, 0x66, 0x67, 0x65, 0xF0, 0x48, 0x45};
	u8 head[8], bytes[BUFFER];

	for (unsigned n = 0; n < ARRAY_SIZE(prefixes) * 3 * 512 * 256; n++) {
		unsigned modrm = n % 256, op = n / 256 % 512, p = n / (256 * 512) % ARRAY_SIZE(prefixes), len = 0;

		if (modrm < 0xC0 && (modrm & 7) > 1 && (modrm & 7) < 4)
			continue;
		if (prefixes[p])
			head[len++] = prefixes[p];
		if (op >= 256)
			head[len++] = 0x0F;
		head[len++] = op;
		head[len++] = modrm;
		fill(bytes, head, len);
		compare_text(bytes, n / (256 * 512 * ARRAY_SIZE(prefixes)));
	}
	cr_assert_eq(failures, 0);
}

Test(disasm, every_vex_opcode, .init = setup)
{
	static const u8 registers[] = {0xE0, 0x00}, last[] = {0x79, 0x7D, 0x48, 0xC9, 0x4D, 0xCD, 0x4A, 0xCE, 0x4B, 0xCF, 0xFB};
	u8 bytes[BUFFER];

	for (unsigned n = 0; n < 2 * 2 * 3 * ARRAY_SIZE(last) * 256 * 256; n++) {
		unsigned modrm = n % 256, rest = n / 65536;
		u8 head[5] = {0xC4, registers[rest & 1] | (1 + rest / 2 % 3), last[rest / 6 % ARRAY_SIZE(last)], n / 256 % 256, modrm};

		if (modrm < 0xC0 && (modrm & 7) > 1 && (modrm & 7) < 4)
			continue;
		fill(bytes, head, sizeof(head));
		compare_text(bytes, MODE_32 + rest / (6 * ARRAY_SIZE(last)));
	}
	cr_assert_eq(failures, 0);
}

Test(disasm, small_buffers)
{
	static const u8 bytes[BUFFER] = {0xC7, 0x84, 0x8B, 0x78, 0x56, 0x34, 0x12, 0xEF, 0xBE, 0xAD, 0xDE};
	char out[64], full[64];
	struct insn i;

	cr_assert_eq(insn_decode(bytes, BUFFER, MODE_32, &i), DECODE_OK);
	insn_format(&i, MODE_32, 0, full, sizeof(full));
	cr_assert_str_eq(full, "mov dword ptr [ebx+ecx*4+0x12345678], 0xdeadbeef");
	for (size_t size = 0; size < sizeof(out); size++) {
		memset(out, '#', sizeof(out));
		cr_assert_eq(insn_format(&i, MODE_32, 0, out, size), size ? MIN(size - 1, strlen(full)) : 0);
		cr_assert_eq(out[size], '#');
		if (size)
			cr_assert_eq(strncmp(out, full, size - 1), 0);
	}
}

/* ---- the fields handlers rely on ---- */

struct field_case {
	enum insn_mode mode;
	u8 bytes[12];
	const char *name, *operands;
	struct insn want;
};

Test(decode, fields)
{
	static const struct field_case cases[] = {
	    {MODE_32,
	     {0x00, 0xE5},
	     "ADD",
	     "Eb_Gb",
	     {.reg = 1, .rm = 9, .base = 16, .index = 16, .seg = 3, .size = SIZE_8, .modrm = 0xE5, .len = 2}},
	    {MODE_16,
	     {0x8B, 0x42, 0xFE},
	     "MOV",
	     "Gv_Ev",
	     {.base = 5, .index = 6, .disp = -2, .seg = 2, .size = SIZE_16, .modrm = 0x42, .len = 3}},
	    {MODE_32, {0x0F, 0xB6, 0xC4}, "MOVZX", "Gv_Eb", {.rm = 1, .size = SIZE_32, .modrm = 0xC4}},
	    {MODE_32,
	     {0xEA, 0x78, 0x56, 0x34, 0x12, 0xCD, 0xAB},
	     "JMP",
	     "Ap",
	     {.imm = 0xABCD12345678, .size = SIZE_32}},
	    {MODE_32, {0xC8, 0x10, 0x20, 0x05}, "ENTER", "Iw_Ib", {.imm = 0x500002010, .size = SIZE_32}},
	    {MODE_32, {0x66, 0x83, 0xC0, 0xFE}, "ADD", "Ev_Ib", {.imm = (u64)-2, .size = SIZE_16, .modrm = 0xC0}},
	    {MODE_32, {0xCD, 0x80}, "INT", "Ib", {.imm = 0x80, .size = SIZE_32}},
	    {MODE_16, {0x8C, 0xD8}, "MOV", "Ew_Sw", {.reg = 3, .size = SIZE_16, .modrm = 0xD8}},
	    {MODE_32, {0x8C, 0x18}, "MOV", "Ew_Sw", {.reg = 3, .size = SIZE_32, .modrm = 0x18}},
	    {MODE_32, {0xF2, 0xA4}, "MOVS", "b", {.size = SIZE_8, .flags = INSN_REP}},
	    {MODE_32, {0xF3, 0xF2, 0xA7}, "CMPS", "v", {.size = SIZE_32, .flags = INSN_REPNE}},
	    {MODE_64, {0x48, 0x6D}, "INS", "v", {.size = SIZE_32}},
	    {MODE_64, {0x41, 0x50}, "PUSH", "Zv", {.reg = 8, .size = SIZE_64}},
	    {MODE_64, {0x40, 0x88, 0xE6}, "MOV", "Eb_Gb", {.reg = 4 * 8, .rm = 6 * 8, .modrm = 0xE6}},
	    {MODE_32, {0x0F, 0x22, 0x18}, "MOV", "Cd_Rd", {.reg = 3, .rm = 0, .size = SIZE_32, .modrm = 0x18}},
	    {MODE_32, {0xE6, 0x80}, "OUT", "Ib_AL", {.imm = 0x80, .size = SIZE_8}},
	    {MODE_32, {0x06}, "PUSH", "ES", {.reg = 0, .size = SIZE_32}},
	    {MODE_32, {0x0F, 0xA9}, "POP", "GS", {.reg = 5, .size = SIZE_32}},
	};

	for (unsigned n = 0; n < ARRAY_SIZE(cases); n++) {
		const struct field_case *c = &cases[n];
		struct insn i;

		cr_assert_eq(insn_decode(c->bytes, sizeof(c->bytes), c->mode, &i), DECODE_OK, "case %u", n);
		cr_expect_str_eq(insn_rows[i.op].name, c->name, "case %u", n);
		cr_expect_str_eq(insn_rows[i.op].operands, c->operands, "case %u", n);
		cr_expect_eq(i.imm, c->want.imm, "case %u: imm %llx", n, (unsigned long long)i.imm);
		cr_expect_eq(i.reg, c->want.reg, "case %u: reg", n);
		cr_expect_eq(i.rm, c->want.rm, "case %u: rm", n);
		cr_expect_eq(i.disp, c->want.disp, "case %u: disp", n);
		cr_expect_eq(i.size, c->want.size, "case %u: size", n);
		cr_expect_eq(i.modrm, c->want.modrm, "case %u: modrm", n);
		cr_expect_eq(i.flags & (INSN_REP | INSN_REPNE), c->want.flags, "case %u: flags", n);
		if (c->want.len) {
			cr_expect_eq(i.len, c->want.len, "case %u: len", n);
			cr_expect_eq(i.base, c->want.base, "case %u: base", n);
			cr_expect_eq(i.index, c->want.index, "case %u: index", n);
			cr_expect_eq(i.seg, c->want.seg, "case %u: seg", n);
		}
	}
}

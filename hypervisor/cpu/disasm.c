/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disasm.c - struct insn as text in Intel syntax, by the operand codes of its row.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cpu/cpu.h"
#include "cpu/insn.h"

struct text {
	char *out;
	size_t size, len;
};

static void PRINTF_LIKE(2, 3) text_add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (t->len + 1 >= t->size)
		return;
	va_start(ap, fmt);
	n = vsnprintf(t->out + t->len, t->size - t->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->len = MIN(t->len + (size_t)n, t->size - 1);
}

static bool token_is(const char *token, size_t len, const char *text)
{
	return strlen(text) == len && !memcmp(token, text, len);
}

static void add_register(struct text *t, unsigned n, enum insn_size size)
{
	static const char names[][4] = {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di"};

	if (n >= 8)
		text_add(t, "r%u%s", n, size == SIZE_64 ? "" : size == SIZE_32 ? "d" : "w");
	else
		text_add(t, "%s%s", size == SIZE_64 ? "r" : size == SIZE_32 ? "e" : "", names[n]);
}

/* `offset` into the register file, as insn.reg and insn.rm of 8-bit operands. */
static void add_byte_register(struct text *t, unsigned offset)
{
	static const char names[][4] = {"al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil"};
	unsigned n = offset / 8;

	if (offset & 1)
		text_add(t, "%ch", names[n & 3][0]);
	else if (n >= 8)
		text_add(t, "r%ub", n);
	else
		text_add(t, "%s", names[n & 7]);
}

static const char *const segment_names[] = {"es", "cs", "ss", "ds", "fs", "gs", "?", "?"};

static enum insn_size address_size(const struct insn *i)
{
	return i->flags & INSN_ADDR16 ? SIZE_16 : i->flags & INSN_ADDR32 ? SIZE_32 : SIZE_64;
}

static void add_segment(struct text *t, const struct insn *i)
{
	unsigned usual = i->base == X86_RBP || i->base == X86_RSP ? X86_SS : X86_DS;

	if (i->seg != usual)
		text_add(t, "%s:", segment_names[i->seg & 7]);
}

/* XMM registers, or YMM ones of as many bits as VEX.L says; with the letters P Q N the eight MMX ones. */
static void add_vector(struct text *t, const struct insn *i, const char *token, unsigned n)
{
	if (strchr("PQN", token[0]))
		text_add(t, "mm%u", n & 7);
	else
		text_add(t, "%cmm%u", token[1] == 'x' && i->flags & INSN_256 ? 'y' : 'x', n);
}

/* `vsib`: the code of an operand whose index is a vector, or NULL. */
static void add_memory(struct text *t, const struct insn *i, const char *vsib, u64 ip)
{
	enum insn_size size = address_size(i);
	s64 disp = i->disp;

	if (strcmp(insn_rows[i->op].name, "LEA"))
		add_segment(t, i);
	text_add(t, "[");
	if (i->base == INSN_RIP_REG || (i->base == INSN_NO_REG && i->index == INSN_NO_REG)) {
		u64 address = i->base == INSN_RIP_REG ? ip + i->len + (u64)disp : (u64)disp;

		if (size != SIZE_64)
			address &= size == SIZE_16 ? 0xFFFF : 0xFFFFFFFF;
		text_add(t, "0x%llx]", (unsigned long long)address);
		return;
	}
	if (i->base != INSN_NO_REG)
		add_register(t, i->base, size);
	if (i->index != INSN_NO_REG) {
		text_add(t, i->base != INSN_NO_REG ? "+" : "");
		if (vsib)
			add_vector(t, i, vsib, i->index);
		else
			add_register(t, i->index, size);
		if (i->scale)
			text_add(t, "*%u", 1u << i->scale);
	}
	if (disp < 0)
		text_add(t, "-0x%llx", (unsigned long long)-disp);
	else if (disp)
		text_add(t, "+0x%llx", (unsigned long long)disp);
	text_add(t, "]");
}

static void add_pointer_size(struct text *t, const struct insn *i, char letter)
{
	static const char *const by_size[] = {"byte ptr ", "word ptr ", "dword ptr ", "qword ptr "};

	switch (letter) {
	case 'b':
		text_add(t, "%s", by_size[SIZE_8]);
		break;
	case 'w':
		text_add(t, "%s", by_size[SIZE_16]);
		break;
	case 'd':
		text_add(t, "%s", by_size[SIZE_32]);
		break;
	case 'q':
		text_add(t, "%s", by_size[SIZE_64]);
		break;
	case 'v':
		text_add(t, "%s", by_size[i->size]);
		break;
	case 'z':
		text_add(t, "%s", by_size[MIN(i->size, (unsigned)SIZE_32)]);
		break;
	case 'a':
		text_add(t, "%s", by_size[MIN(i->size + 1u, (unsigned)SIZE_64)]);
		break;
	case 'p':
		text_add(t, "%s", i->size == SIZE_16 ? "dword ptr " : i->size == SIZE_32 ? "fword ptr " : "tbyte ptr ");
		break;
	case 's':
		text_add(t, "%s", i->size == SIZE_64 ? "tbyte ptr " : "fword ptr ");
		break;
	case 'y':
		text_add(t, "%s", by_size[i->size]);
		break;
	case 'o':
	case 'x':
		text_add(t, letter == 'x' && i->flags & INSN_256 ? "ymmword ptr " : "xmmword ptr ");
		break;
	case 'h':
		text_add(t, i->flags & INSN_256 ? "xmmword ptr " : "qword ptr ");
		break;
	case 'f':
		text_add(t, "%s", by_size[i->flags & INSN_256 ? SIZE_64 : SIZE_32]);
		break;
	case 'e':
		text_add(t, "%s", by_size[i->flags & INSN_256 ? SIZE_32 : SIZE_16]);
		break;
	case 't':
		text_add(t, "tbyte ptr ");
		break;
	default:
		break;
	}
}

/* The size a register of operand letter `letter` is named by. */
static enum insn_size register_size(const struct insn *i, char letter)
{
	if (insn_rows[i->op].attr & (ATTR_OSZ | ATTR_F64))
		return i->size;
	switch (letter) {
	case 'w':
		return SIZE_16;
	case 'd':
		return SIZE_32;
	case 'z':
		return MIN(i->size, (unsigned)SIZE_32);
	default:
		return i->size;
	}
}

static void add_rm(struct text *t, const struct insn *i, char letter, u64 ip)
{
	if (i->flags & INSN_MEM) {
		add_pointer_size(t, i, letter);
		add_memory(t, i, NULL, ip);
	} else if (letter == 'b') {
		add_byte_register(t, i->rm);
	} else {
		add_register(t, i->rm, register_size(i, letter));
	}
}

static u64 cut(u64 value, enum insn_size size)
{
	return size == SIZE_64 ? value : value & ((1ull << (8u << size)) - 1);
}

static void add_immediate(struct text *t, const struct insn *i, const char *token, bool first)
{
	const struct insn_row *row = &insn_rows[i->op];

	if (!strcmp(row->operands, "Iw_Ib"))
		text_add(t, "0x%x", first ? (u16)i->imm : (u8)(i->imm >> 32));
	else if (token[1] == 'w')
		text_add(t, "0x%x", (u16)i->imm);
	else if (token[1] == 'b' && !(row->attr & ATTR_SIGN))
		text_add(t, "0x%x", (u8)i->imm);
	else
		text_add(t, "0x%llx", (unsigned long long)cut(i->imm, i->size));
}

static void add_target(struct text *t, const struct insn *i, enum insn_mode mode, u64 ip)
{
	u64 target = ip + i->len + i->imm;

	if (mode != MODE_64)
		target = cut(target, i->size == SIZE_16 ? SIZE_16 : SIZE_32);
	text_add(t, "0x%llx", (unsigned long long)target);
}

static bool add_named(struct text *t, const struct insn *i, const char *token, size_t len)
{
	static const char *const lower[][2] = {{"AL", "al"},   {"AX", "ax"}, {"DX", "dx"}, {"CL", "cl"},
					       {"ST0", "st0"}, {"1", "0x1"}, {"ES", "es"}, {"CS", "cs"},
					       {"SS", "ss"},   {"DS", "ds"}, {"FS", "fs"}, {"GS", "gs"}};

	for (unsigned n = 0; n < ARRAY_SIZE(lower); n++)
		if (token_is(token, len, lower[n][0])) {
			text_add(t, "%s", lower[n][1]);
			return true;
		}
	if (token_is(token, len, "eAX"))
		add_register(t, X86_RAX, i->size);
	else if (token_is(token, len, "STi"))
		text_add(t, "st%u", i->modrm & 7u);
	else
		return false;
	return true;
}

static void add_operand(struct text *t, const struct insn *i, const char *token, size_t len, enum insn_mode mode,
			u64 ip)
{
	char letter = len > 1 ? token[1] : 0;
	bool first = token == insn_rows[i->op].operands;

	if (add_named(t, i, token, len))
		return;
	switch (token[0]) {
	case 'E':
	case 'M':
	case 'R':
		add_rm(t, i, letter, ip);
		break;
	case 'W':
	case 'Q':
		if (i->flags & INSN_MEM)
			add_rm(t, i, letter, ip);
		else
			add_vector(t, i, token, i->rm);
		break;
	case 'U':
	case 'N':
		add_vector(t, i, token, i->rm);
		break;
	case 'V':
	case 'P':
		add_vector(t, i, token, i->reg);
		break;
	case 'H':
		add_vector(t, i, token, insn_vvvv(i));
		break;
	case 'L':
		add_vector(t, i, token, i->imm & 15);
		break;
	case 'B':
		add_register(t, insn_vvvv(i), i->size);
		break;
	case 'T':
		add_pointer_size(t, i, token[2]);
		add_memory(t, i, token, ip);
		break;
	case 'G':
	case 'Z':
		if (letter == 'b')
			add_byte_register(t, i->reg);
		else
			add_register(t, i->reg, register_size(i, letter));
		break;
	case 'S':
		text_add(t, "%s", segment_names[i->reg & 7]);
		break;
	case 'C':
		text_add(t, "cr%u", i->reg);
		break;
	case 'D':
		text_add(t, "dr%u", i->reg);
		break;
	case 'O':
		add_pointer_size(t, i, letter);
		add_segment(t, i);
		text_add(t, "[0x%llx]", (unsigned long long)i->imm);
		break;
	case 'A':
		text_add(t, "0x%x:0x%x", (unsigned)(i->imm >> 32), (unsigned)i->imm);
		break;
	case 'J':
		add_target(t, i, mode, ip);
		break;
	default:
		add_immediate(t, i, token, first);
		break;
	}
}

/* Mnemonics of which the operand or address size is a part; those of 16, 32 and 64 bits. */
static const char *sized_name(const struct insn *i, const char *name)
{
	static const char *const names[][4] = {
	    {"CBW", "cbw", "cwde", "cdqe"},
	    {"CWD", "cwd", "cdq", "cqo"},
	    {"PUSHA", "pusha", "pushad", ""},
	    {"POPA", "popa", "popad", ""},
	    {"PUSHF", "pushf", "pushfd", "pushfq"},
	    {"POPF", "popf", "popfd", "popfq"},
	    {"IRET", "iret", "iretd", "iretq"},
	    {"JCXZ", "jcxz", "jecxz", "jrcxz"},
	    {"FXSAVE", "fxsave", "fxsave", "fxsave64"},
	    {"FXRSTOR", "fxrstor", "fxrstor", "fxrstor64"},
    {"XSAVE", "xsave", "xsave", "xsave64"},
    {"XSAVEOPT", "xsaveopt", "xsaveopt", "xsaveopt64"},
    {"XSAVEC", "xsavec", "xsavec", "xsavec64"},
    {"XSAVES", "xsaves", "xsaves", "xsaves64"},
    {"XRSTOR", "xrstor", "xrstor", "xrstor64"},
    {"XRSTORS", "xrstors", "xrstors", "xrstors64"},
	    {"MOVD", "movd", "movd", "movq"},
	    {"PEXTRD", "pextrd", "pextrd", "pextrq"},
	    {"PINSRD", "pinsrd", "pinsrd", "pinsrq"},
	    {"VMOVD", "vmovd", "vmovd", "vmovq"},
	    {"VPEXTRD", "vpextrd", "vpextrd", "vpextrq"},
	    {"VPINSRD", "vpinsrd", "vpinsrd", "vpinsrq"},
	};

	for (unsigned n = 0; n < ARRAY_SIZE(names); n++)
		if (!strcmp(name, names[n][0]))
			return names[n][!strcmp(name, "JCXZ") ? address_size(i) : (enum insn_size)i->size];
	return NULL;
}

static void add_name(struct text *t, const struct insn *i, const struct insn_row *row)
{
	const char *sized = sized_name(i, row->name);

	if (i->flags & INSN_LOCK)
		text_add(t, "lock ");
	if (i->flags & INSN_REPNE)
		text_add(t, "repne ");
	else if (i->flags & INSN_REP)
		text_add(t, (row->opcode & 0xF6) == 0xA6 ? "repe " : "rep ");
	if (sized) {
		text_add(t, "%s", sized);
		return;
	}
	for (const char *c = row->name; *c; c++)
		text_add(t, "%c", *c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
	if (row->attr & ATTR_STRING)
		text_add(t, "%c", "bwdq"[i->size]);
	else if ((!strcmp(row->name, "CALL") || !strcmp(row->name, "JMP")) && row->operands[1] == 'p')
		text_add(t, " far");
}

size_t insn_format(const struct insn *i, enum insn_mode mode, u64 ip, char *out, size_t size)
{
	struct text t = {.out = out, .size = size};
	const struct insn_row *row = &insn_rows[i->op < insn_row_count ? i->op : 0];

	if (size)
		*out = 0;
	add_name(&t, i, row);
	if (row->attr & ATTR_STRING)
		return t.len;
	for (const char *token = row->operands; *token;) {
		size_t len = strcspn(token, "_");

		text_add(&t, token == row->operands ? " " : ", ");
		add_operand(&t, i, token, len, mode, ip);
		token += len + (token[len] == '_');
	}
	return t.len;
}

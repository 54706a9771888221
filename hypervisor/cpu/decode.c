/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * decode.c - bytes to struct insn, by the rows of optab.def.
 *
 * At first use the rows are sorted into lists of candidates, one list for each opcode, or where a row asks for a
 * ModRM value one for each form of ModRM (8 memory ones by ModRM.reg, 64 register ones). Decoding an
 * instruction is then: prefixes, opcode, list, ModRM, displacement, immediate (SDM 2A, chapter 2).
 */
#include <pthread.h>
#include <string.h>

#include "cpu/bt.h"

#define MAX_LEN 15

enum { MAP_1B, MAP_0F, MAP_38, MAP_3A, MAP_VEX_0F, MAP_VEX_38, MAP_VEX_3A, MAPS };

enum prefix_rule { PREFIX_ANY, PREFIX_NP, PREFIX_P66, PREFIX_PF3, PREFIX_PF2, PREFIX_W0, PREFIX_B0, PREFIX_B1 };

/* What a row wants of ModRM; 0xC0 and above is exactly that byte. */
enum modrm_rule {
	MODRM_NO,
	MODRM_ZR,
	MODRM_ANY,
	MODRM_MEM,
	MODRM_REG,
	MODRM_DIGIT = 0x10,
	MODRM_MEM_DIGIT = 0x20,
	MODRM_REG_DIGIT = 0x30
};
#define MODRM_D(n)    (MODRM_DIGIT + n)
#define MODRM_M(n)    (MODRM_MEM_DIGIT + n)
#define MODRM_R(n)    (MODRM_REG_DIGIT + n)
#define MODRM_X(byte) byte

/* ---- the rows ---- */

#define OP(map, opcode, prefix, modrm, NAME, OPERANDS, attributes)                                                     \
	extern const struct insn_exec exec_##NAME##_##OPERANDS;
#define OP0(map, opcode, prefix, modrm, NAME, attributes) extern const struct insn_exec exec_##NAME;
#define VEX(map, opcode, prefix, modrm, lw, NAME, OPERANDS, kind, bytes, set, attributes)                              \
	extern const struct insn_exec exec_##NAME##_##OPERANDS;
#define VEX0(map, opcode, prefix, modrm, lw, NAME, kind, set, attributes) extern const struct insn_exec exec_##NAME;
#include "cpu/optab.def"

/* Attributes as the table writes them. */
enum {
	LOCK = ATTR_LOCK,
	END = ATTR_END,
	CPL0 = ATTR_CPL0,
	IOPL = ATTR_IOPL,
	X87 = ATTR_X87,
	PROT = ATTR_PROT,
	I64 = ATTR_I64,
	O64 = ATTR_O64,
	D64 = ATTR_D64,
	F64 = ATTR_F64,
	STRING = ATTR_STRING,
	STORE = ATTR_STORE,
	SIGN = ATTR_SIGN,
	OSZ = ATTR_OSZ,
	MAX32 = ATTR_MAX32
};

/* Columns `lw` of VEX rows. */
#define VEX_W01	     (VEX_W0 | VEX_W1)
#define VEX_L01	     (VEX_L0 | VEX_L1)
#define LW_ANY	     (VEX_L01 | VEX_W01)
#define LW_W0	     (VEX_L01 | VEX_W0)
#define LW_W1	     (VEX_L01 | VEX_W1)
#define LW_L0	     (VEX_L0 | VEX_W01)
#define LW_L0_W0     (VEX_L0 | VEX_W0)
#define LW_L0_W1     (VEX_L0 | VEX_W1)
#define LW_L1	     (VEX_L1 | VEX_W01)
#define LW_L1_W0     (VEX_L1 | VEX_W0)
#define LW_L1_W1     (VEX_L1 | VEX_W1)
#define LW_SCALAR    (LW_ANY | VEX_SCALAR)
#define LW_SCALAR_W0 (LW_W0 | VEX_SCALAR)
#define LW_SCALAR_W1 (LW_W1 | VEX_SCALAR)

const struct insn_row insn_rows[] = {
#define OP(map, opcode, prefix, modrm, NAME, OPERANDS, attributes)                                                     \
	{#NAME, #OPERANDS, &exec_##NAME##_##OPERANDS, attributes, MAP_##map, opcode, PREFIX_##prefix, MODRM_##modrm, 0},
#define OP0(map, opcode, prefix, modrm, NAME, attributes)                                                              \
	{#NAME, "", &exec_##NAME, attributes, MAP_##map, opcode, PREFIX_##prefix, MODRM_##modrm, 0},
#define VEX(map, opcode, prefix, modrm, lw, NAME, OPERANDS, kind, bytes, set, attributes)                              \
	{#NAME, #OPERANDS, &exec_##NAME##_##OPERANDS, attributes, MAP_VEX_##map, opcode, PREFIX_##prefix, MODRM_##modrm, LW_##lw},
#define VEX0(map, opcode, prefix, modrm, lw, NAME, kind, set, attributes)                                              \
	{#NAME, "", &exec_##NAME, attributes, MAP_VEX_##map, opcode, PREFIX_##prefix, MODRM_##modrm, LW_##lw},
#include "cpu/optab.def"
};
const unsigned insn_row_count = ARRAY_SIZE(insn_rows);

#define ROWS ARRAY_SIZE(insn_rows)

/* ---- what the operand codes of a row mean to the decoder ---- */

enum reg_kind {
	REG_NONE,
	REG_MODRM,
	REG_MODRM_BYTE,
	REG_OPCODE,
	REG_OPCODE_BYTE,
	REG_SEGMENT,
	REG_SEGMENT_TO,
	REG_FIXED,
	REG_CONTROL,
	REG_DEBUG
};
enum rm_kind { RM_PLAIN, RM_BYTE, RM_REGISTER /* ModRM.mod is ignored */ };
enum imm_kind { IMM_NONE, IMM_BYTE, IMM_SIGNED_BYTE, IMM_WORD, IMM_SIGNED_Z, IMM_FULL, IMM_FAR, IMM_OFFSET, IMM_ENTER, IMM_REGISTER };

struct row_facts {
	u8 has_modrm;
	u8 size; /* SIZE_*, SIZE_Y, SIZE_COUNT: the effective operand size */
	u8 reg, rm, imm;
	u8 fixed; /* REG_FIXED: the register */
	bool vvvv; /* VEX.vvvv names an operand */
	bool vsib; /* the memory operand is indexed by a vector */
};

#define LIST_END    0xFFFF
#define MODRM_FORMS (8 + 64)

static struct row_facts facts[ROWS];
static u16 lists[8 * ROWS + 32 * 1024]; /* row numbers, each list closed by LIST_END */
static u16 opcode_list[MAPS][256];	/* where its list starts, or for a group: which group */
static u8 opcode_is_group[MAPS][256];
static u16 group_list[192][MODRM_FORMS];
static unsigned list_used, group_count, invalid_row;
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static bool token_is(const char *token, size_t len, const char *text)
{
	return strlen(text) == len && !memcmp(token, text, len);
}

#define SIZE_Y (SIZE_COUNT + 1) /* 32 or, with REX.W, 64 bits */

/* SIZE_* for a size letter; SIZE_COUNT for v, and for what has no size of its own. */
static u8 size_letter(char c)
{
	switch (c) {
	case 'b':
		return SIZE_8;
	case 'w':
		return SIZE_16;
	case 'd':
		return SIZE_32;
	case 'q':
		return SIZE_64;
	case 'y':
		return SIZE_Y;
	default:
		return SIZE_COUNT;
	}
}

/*
 * The size an operand gives its instruction: SIZE_*, or SIZE_COUNT for the effective operand size. False: none, as
 * immediates and some named registers.
 */
static bool operand_sets_size(const char *token, size_t len, u8 *size)
{
	static const char *const unsized[] = {"DX", "CL", "ST0", "STi", "ES", "CS", "SS", "DS", "FS", "GS"};

	*size = SIZE_COUNT;
	for (unsigned n = 0; n < ARRAY_SIZE(unsized); n++)
		if (token_is(token, len, unsized[n]))
			return false;
	if (token_is(token, len, "AL"))
		*size = SIZE_8;
	else if (token_is(token, len, "AX"))
		*size = SIZE_16;
	else if (!token_is(token, len, "eAX"))
		*size = size_letter(token[len - 1]);
	return !strchr("IJA1VWUPQNHLT", token[0]) || token_is(token, len, "AL") || token_is(token, len, "AX");
}

static u8 immediate_kind(const char *token, u8 before, u32 attr)
{
	bool byte = token[1] == 'b';

	switch (token[0]) {
	case 'A':
		return IMM_FAR;
	case 'J':
		return byte ? IMM_SIGNED_BYTE : IMM_SIGNED_Z;
	case 'O':
		return IMM_OFFSET;
	default:
		break;
	}
	if (byte && before == IMM_WORD)
		return IMM_ENTER;
	if (byte)
		return attr & ATTR_SIGN ? IMM_SIGNED_BYTE : IMM_BYTE;
	return token[1] == 'w' ? IMM_WORD : token[1] == 'v' ? IMM_FULL : IMM_SIGNED_Z;
}

static void facts_add_register(struct row_facts *f, const char *token, bool first)
{
	bool byte = token[1] == 'b';

	switch (token[0]) {
	case 'E':
		f->rm = byte ? RM_BYTE : RM_PLAIN;
		break;
	case 'R':
		f->rm = RM_REGISTER;
		break;
	case 'W':
	case 'U':
	case 'Q':
	case 'N':
		f->rm = RM_PLAIN;
		break;
	case 'V':
	case 'P':
		f->reg = REG_MODRM;
		break;
	case 'G':
		f->reg = byte ? REG_MODRM_BYTE : REG_MODRM;
		break;
	case 'Z':
		f->reg = byte ? REG_OPCODE_BYTE : REG_OPCODE;
		break;
	case 'B':
	case 'H':
		f->vvvv = true;
		break;
	case 'L':
		f->imm = IMM_REGISTER;
		break;
	case 'T':
		f->vsib = true;
		break;
	case 'S':
		f->reg = first ? REG_SEGMENT_TO : REG_SEGMENT;
		break;
	case 'C':
		f->reg = REG_CONTROL;
		break;
	case 'D':
		f->reg = REG_DEBUG;
		break;
	default:
		break;
	}
}

static void facts_add_operand(struct row_facts *f, const char *token, size_t len, u32 attr, bool first)
{
	static const char *const segments[] = {"ES", "CS", "SS", "DS", "FS", "GS"};
	static const char *const named[] = {"AL", "AX", "eAX", "DX", "CL", "ST0", "STi", "1", "b", "v"};

	for (unsigned s = 0; s < ARRAY_SIZE(segments); s++)
		if (token_is(token, len, segments[s])) {
			f->reg = REG_FIXED;
			f->fixed = s;
			return;
		}
	for (unsigned n = 0; n < ARRAY_SIZE(named); n++)
		if (token_is(token, len, named[n]))
			return;
	if (strchr("IJAO", token[0]))
		f->imm = immediate_kind(token, f->imm, attr);
	else
		facts_add_register(f, token, first);
}

static void facts_build(const struct insn_row *row, struct row_facts *f)
{
	bool sized = row->attr & ATTR_OSZ;

	*f = (struct row_facts){.has_modrm = row->modrm != MODRM_NO && row->modrm != MODRM_ZR, .size = SIZE_COUNT};
	for (const char *token = row->operands; *token;) {
		size_t len = strcspn(token, "_");
		u8 size;

		if (!sized && operand_sets_size(token, len, &size)) {
			f->size = size;
			sized = true;
		}
		facts_add_operand(f, token, len, row->attr, token == row->operands);
		token += len + (token[len] == '_');
	}
}

/* ---- lists of candidates ---- */

static bool row_covers(const struct insn_row *row, unsigned map, unsigned opcode)
{
	if (row->map != map)
		return false;
	return row->modrm == MODRM_ZR ? (opcode & ~7u) == row->opcode : opcode == row->opcode;
}

static bool modrm_matches(unsigned rule, unsigned modrm)
{
	bool is_register = modrm >= 0xC0;
	unsigned digit = modrm >> 3 & 7;

	if (rule >= 0xC0)
		return modrm == rule;
	switch (rule & ~7u) {
	case MODRM_DIGIT:
		return digit == (rule & 7);
	case MODRM_MEM_DIGIT:
		return digit == (rule & 7) && !is_register;
	case MODRM_REG_DIGIT:
		return digit == (rule & 7) && is_register;
	default:
		break;
	}
	if (rule == MODRM_MEM)
		return !is_register;
	return rule != MODRM_REG || is_register;
}

/* modrm < 0: rows whatever their ModRM rule. */
static u16 list_build(unsigned map, unsigned opcode, int modrm)
{
	unsigned start = list_used;

	for (unsigned r = 0; r < ROWS; r++)
		if (row_covers(&insn_rows[r], map, opcode) && (modrm < 0 || modrm_matches(insn_rows[r].modrm, modrm)))
			lists[list_used++] = r;
	BUG_ON(list_used + 1 >= ARRAY_SIZE(lists));
	lists[list_used++] = LIST_END;
	return start;
}

static unsigned modrm_form(u8 modrm)
{
	return modrm >= 0xC0 ? 8 + (modrm & 63) : modrm >> 3 & 7;
}

static void opcode_build(unsigned map, unsigned opcode)
{
	bool group = false;

	for (unsigned r = 0; r < ROWS; r++)
		if (row_covers(&insn_rows[r], map, opcode) && insn_rows[r].modrm > MODRM_ANY)
			group = true;
	opcode_is_group[map][opcode] = group;
	if (!group) {
		opcode_list[map][opcode] = list_build(map, opcode, -1);
		return;
	}
	BUG_ON(group_count >= ARRAY_SIZE(group_list));
	opcode_list[map][opcode] = group_count;
	for (unsigned n = 0; n < 8; n++)
		group_list[group_count][n] = list_build(map, opcode, n << 3);
	for (unsigned n = 0; n < 64; n++)
		group_list[group_count][8 + n] = list_build(map, opcode, 0xC0 + n);
	group_count++;
}

static void tables_build(void)
{
	for (unsigned r = 0; r < ROWS; r++) {
		facts_build(&insn_rows[r], &facts[r]);
		if (!strcmp(insn_rows[r].name, "UD2"))
			invalid_row = r;
	}
	for (unsigned map = 0; map < MAPS; map++)
		for (unsigned opcode = 0; opcode < 256; opcode++)
			opcode_build(map, opcode);
}

/* ---- decoding ---- */

enum { REX_B = 1, REX_X = 2, REX_R = 4, REX_W = 8 };

struct decoder {
	const u8 *p; /* next byte; the buffer is padded so that nothing read after 15 bytes overruns it */
	enum insn_mode mode;
	struct insn *i;
	u8 rex; /* 0 when there is none */
	bool opsize, addrsize, lock;
	u8 repeat;   /* the last of F2 and F3, or 0 */
	u8 vex;	     /* its L and W as enum insn_vex; 0 when there is no VEX prefix */
	u8 vvvv;     /* of VEX, the right way round */
	int segment; /* override, or -1 */
};

static u64 fetch(struct decoder *d, unsigned size)
{
	u64 value = 0;

	memcpy(&value, d->p, size);
	d->p += size;
	return value;
}

static u64 fetch_signed(struct decoder *d, unsigned size)
{
	unsigned unused = 64 - 8 * size;

	return (u64)((s64)(fetch(d, size) << unused) >> unused);
}

/* Stops at the opcode. SDM 2A 2.1.1: any order, the last of a group wins; REX counts only right before the opcode. */
static void decode_prefixes(struct decoder *d)
{
	for (const u8 *end = d->p + MAX_LEN; d->p < end; d->p++) {
		u8 byte = *d->p;

		switch (byte) {
		case 0x66:
			d->opsize = true;
			break;
		case 0x67:
			d->addrsize = true;
			break;
		case 0xF0:
			d->lock = true;
			break;
		case 0xF2:
		case 0xF3:
			d->repeat = byte;
			break;
		case 0x26:
		case 0x2E:
		case 0x36:
		case 0x3E:
			/* ignored in 64-bit mode, even after FS or GS */
			if (d->mode != MODE_64)
				d->segment = byte >> 3 & 3;
			break;
		case 0x64:
			d->segment = X86_FS;
			break;
		case 0x65:
			d->segment = X86_GS;
			break;
		default:
			if (d->mode != MODE_64 || (byte & 0xF0) != 0x40)
				return;
			d->rex = byte;
			continue;
		}
		d->rex = 0;
	}
}

static bool prefixes_match(const struct decoder *d, const struct insn_row *row)
{
	if (row->attr & (d->mode == MODE_64 ? ATTR_I64 : ATTR_O64) || (row->vex & d->vex) != d->vex)
		return false;
	switch (row->prefix) {
	case PREFIX_NP:
		return !d->opsize && !d->repeat;
	case PREFIX_P66:
		return d->opsize && !d->repeat;
	case PREFIX_PF3:
		return d->repeat == 0xF3;
	case PREFIX_PF2:
		return d->repeat == 0xF2;
	case PREFIX_W0:
		return !(d->rex & REX_W);
	case PREFIX_B0:
		return !(d->rex & REX_B);
	case PREFIX_B1:
		return d->rex & REX_B;
	default:
		return true;
	}
}

static const struct insn_row *find_row(const struct decoder *d, unsigned map, u8 opcode)
{
	unsigned list = opcode_list[map][opcode];

	if (opcode_is_group[map][opcode])
		list = group_list[list][modrm_form(*d->p)];
	for (const u16 *r = lists + list; *r != LIST_END; r++)
		if (prefixes_match(d, &insn_rows[*r]))
			return &insn_rows[*r];
	return NULL;
}

static enum insn_size operand_size(const struct decoder *d, u32 attr)
{
	enum insn_size size = (d->mode == MODE_16) == d->opsize ? SIZE_32 : SIZE_16;

	if (d->mode != MODE_64)
		return size;
	if (attr & ATTR_F64 || d->rex & REX_W || (attr & ATTR_D64 && !d->opsize))
		size = SIZE_64;
	return attr & ATTR_MAX32 && size == SIZE_64 ? SIZE_32 : size;
}

static u8 byte_register(const struct decoder *d, unsigned n)
{
	return !d->rex && n >= 4 && n < 8 ? (n - 4) * 8 + 1 : n * 8;
}

static void decode_memory16(struct decoder *d, unsigned mod, unsigned rm)
{
	static const u8 base[] = {X86_RBX, X86_RBX, X86_RBP, X86_RBP, X86_RSI, X86_RDI, X86_RBP, X86_RBX};
	static const u8 index[] = {X86_RSI,	X86_RDI,     X86_RSI,	  X86_RDI,
				   INSN_NO_REG, INSN_NO_REG, INSN_NO_REG, INSN_NO_REG};
	struct insn *i = d->i;

	if (mod == 0 && rm == 6) {
		i->disp = fetch(d, 2);
		return;
	}
	i->base = base[rm];
	i->index = index[rm];
	if (mod)
		i->disp = fetch_signed(d, mod);
}

static void decode_memory(struct decoder *d, unsigned mod, unsigned rm, bool vsib)
{
	struct insn *i = d->i;
	unsigned base = rm;

	if (rm == 4) {
		u8 sib = fetch(d, 1);
		unsigned index = (sib >> 3 & 7) | (d->rex & REX_X ? 8 : 0);

		base = sib & 7;
		if (index != X86_RSP || vsib) {
			i->index = index;
			i->scale = sib >> 6;
		}
	}
	if (mod == 0 && base == 5) {
		if (rm == 5 && d->mode == MODE_64)
			i->base = INSN_RIP_REG;
		i->disp = fetch_signed(d, 4);
		return;
	}
	i->base = base | (d->rex & REX_B ? 8 : 0);
	if (mod)
		i->disp = fetch_signed(d, mod == 1 ? 1 : 4);
}

static void decode_rm(struct decoder *d, const struct row_facts *f)
{
	struct insn *i = d->i;
	unsigned mod = i->modrm >> 6, rm = i->modrm & 7;

	if (mod == 3 || f->rm == RM_REGISTER) {
		rm |= d->rex & REX_B ? 8 : 0;
		i->rm = f->rm == RM_BYTE ? byte_register(d, rm) : rm;
		return;
	}
	i->flags |= INSN_MEM;
	if (i->flags & INSN_ADDR16)
		decode_memory16(d, mod, rm);
	else
		decode_memory(d, mod, rm, f->vsib);
	/* SDM 1 table 3-5: what is based on SP or BP is on the stack */
	if (d->segment < 0 && (i->base == X86_RBP || i->base == X86_RSP))
		i->seg = X86_SS;
}

/* False: there is no such register. */
static bool decode_reg(struct decoder *d, const struct row_facts *f, u8 opcode)
{
	struct insn *i = d->i;
	unsigned digit = i->modrm >> 3 & 7, high = d->rex & REX_R ? 8 : 0;
	unsigned low = (opcode & 7) | (d->rex & REX_B ? 8 : 0);

	switch (f->reg) {
	case REG_MODRM:
		i->reg = digit | high;
		return true;
	case REG_MODRM_BYTE:
		i->reg = byte_register(d, digit | high);
		return true;
	case REG_OPCODE:
		i->reg = low;
		return true;
	case REG_OPCODE_BYTE:
		i->reg = byte_register(d, low);
		return true;
	case REG_SEGMENT:
	case REG_SEGMENT_TO:
		i->reg = digit;
		return digit < X86_SREGS && (f->reg == REG_SEGMENT || digit != X86_CS);
	case REG_CONTROL:
		i->reg = digit | high;
		return i->reg == 0 || (i->reg >= 2 && i->reg <= 4) || i->reg == 8;
	case REG_DEBUG:
		i->reg = digit | high;
		return i->reg < 8;
	default:
		i->reg = f->fixed;
		return true;
	}
}

static void decode_immediate(struct decoder *d, const struct row_facts *f, unsigned size)
{
	struct insn *i = d->i;
	unsigned z = size == SIZE_16 ? 2 : 4;

	switch (f->imm) {
	case IMM_BYTE:
		i->imm = fetch(d, 1);
		break;
	case IMM_SIGNED_BYTE:
		i->imm = fetch_signed(d, 1);
		break;
	case IMM_WORD:
		i->imm = fetch(d, 2);
		break;
	case IMM_SIGNED_Z:
		i->imm = fetch_signed(d, z);
		break;
	case IMM_FULL:
		i->imm = fetch(d, 1u << size);
		break;
	case IMM_FAR:
		i->imm = fetch(d, z);
		i->imm |= fetch(d, 2) << 32;
		break;
	case IMM_OFFSET:
		i->imm = fetch(d, i->flags & INSN_ADDR16 ? 2 : i->flags & INSN_ADDR32 ? 4 : 8);
		break;
	case IMM_REGISTER: /* in the upper half of a byte */
		i->imm = fetch(d, 1) >> 4 & (d->mode == MODE_64 ? 15 : 7);
		break;
	case IMM_ENTER:
		i->imm = fetch(d, 2);
		i->imm |= fetch(d, 1) << 32;
		break;
	default:
		break;
	}
}

static u8 repeat_flag(const struct decoder *d, const struct insn_row *row)
{
	/* CMPS and SCAS (A6 A7 AE AF) look at ZF; to the others F2 is the same as F3 */
	bool compares = (row->opcode & 0xF6) == 0xA6;

	if (!d->repeat || !(row->attr & ATTR_STRING))
		return 0;
	return d->repeat == 0xF2 && compares ? INSN_REPNE : INSN_REP;
}

static void decode_address_size(struct decoder *d)
{
	if (d->mode == MODE_64)
		d->i->flags |= d->addrsize ? INSN_ADDR32 : 0;
	else
		d->i->flags |= (d->mode == MODE_16) == d->addrsize ? INSN_ADDR32 : INSN_ADDR16;
}

/* What has no handler, and what is no instruction. */
static HANDLER(exec_undefined)
{
	raise_fault(cpu, i, EXC_UD);
}

/*
 * VEX (SDM 2A 2.3), after its first byte; outside 64-bit mode that of LES or LDS, which have no register form. Its pp, R, X,
 * B and W become what the prefixes they stand for would be. False: no instruction is like this.
 */
static bool decode_vex(struct decoder *d, u8 first, unsigned *map)
{
	static const u8 repeat[] = {0, 0, 0xF3, 0xF2};
	bool alone = !d->opsize && !d->repeat && !d->lock && !d->rex;
	u8 byte = fetch(d, 1), rest = byte & 0x7F;

	d->rex = byte & 0x80 ? 0 : REX_R;
	*map = 1;
	if (first == 0xC4) {
		d->rex = ~byte >> 5 & 7;
		*map = byte & 31;
		rest = fetch(d, 1);
		d->rex |= rest & 0x80 ? REX_W : 0;
	}
	d->vex = (rest & 4 ? VEX_L1 : VEX_L0) | (d->rex & REX_W ? VEX_W1 : VEX_W0);
	d->opsize = (rest & 3) == 1;
	d->repeat = repeat[rest & 3];
	d->vvvv = ~rest >> 3 & 15;
	/* registers 8 to 15 and 64-bit operands are in 64-bit mode only */
	if (d->mode != MODE_64)
		d->rex = 0;
	if (!alone || !*map || *map > 3)
		return false;
	*map += MAP_VEX_0F - 1;
	return true;
}

/* False: #UD. */
static bool decode_vex_operands(struct decoder *d, const struct insn_row *row, const struct row_facts *f)
{
	struct insn *i = d->i;

	if (!f->vvvv && d->vvvv)
		return false;
	if (d->mode != MODE_64)
		d->vvvv &= 7;
	i->imm |= (u64)d->vvvv << INSN_VVVV_SHIFT;
	if (d->vex & VEX_L1 && !(row->vex & VEX_SCALAR))
		i->flags |= INSN_256;
	if (!f->vsib)
		return true;
	/* gathers (SDM 2B, VPGATHERDD): a SIB byte, and three different registers */
	return (i->modrm & 7) == 4 && !(i->flags & INSN_ADDR16) && i->reg != i->index && i->reg != d->vvvv &&
	       i->index != d->vvvv;
}

static bool decode_body(struct decoder *d)
{
	struct insn *i = d->i;
	unsigned map = MAP_1B;
	const struct insn_row *row;
	const struct row_facts *f;
	u8 opcode = fetch(d, 1);
	bool valid;

	if ((opcode == 0xC4 || opcode == 0xC5) && (d->mode == MODE_64 || *d->p >= 0xC0)) {
		if (!decode_vex(d, opcode, &map))
			return false;
		opcode = fetch(d, 1);
	} else if (opcode == 0x0F) {
		map = MAP_0F;
		opcode = fetch(d, 1);
		if (opcode == 0x38 || opcode == 0x3A) {
			map = opcode == 0x38 ? MAP_38 : MAP_3A;
			opcode = fetch(d, 1);
		}
	}
	row = find_row(d, map, opcode);
	if (!row) {
		d->p += opcode_is_group[map][opcode];
		return false;
	}
	i->op = row - insn_rows;
	f = &facts[i->op];
	if (f->size == SIZE_Y)
		i->size = d->rex & REX_W ? SIZE_64 : SIZE_32;
	else
		i->size = f->size == SIZE_COUNT ? operand_size(d, row->attr) : f->size;
	if (row->attr & ATTR_F64 && d->mode == MODE_64)
		i->size = SIZE_64;
	decode_address_size(d);
	i->flags |= repeat_flag(d, row);
	if (f->has_modrm) {
		i->modrm = fetch(d, 1);
		decode_rm(d, f);
	}
	valid = decode_reg(d, f, opcode);
	decode_immediate(d, f, i->size);
	if (d->vex)
		valid &= decode_vex_operands(d, row, f);
	if (d->lock) {
		i->flags |= INSN_LOCK;
		valid &= row->attr & ATTR_LOCK && i->flags & INSN_MEM;
	}
	if (valid)
		i->handler = row->exec->handler[f->has_modrm && !(i->flags & INSN_MEM)][i->size];
	return valid;
}

enum decode_result insn_decode(const u8 *bytes, size_t avail, enum insn_mode mode, struct insn *i)
{
	/* longest thing read: 15 prefixes, 2 opcode bytes, ModRM, SIB, 4 displacement, 8 immediate */
	u8 buffer[MAX_LEN + 17];
	struct decoder d = {.p = buffer, .mode = mode, .i = i, .segment = -1};
	size_t limit = MIN(avail, (size_t)MAX_LEN), used;
	bool valid;

	pthread_once(&tables_once, tables_build);
	memset(buffer, 0, sizeof(buffer));
	memcpy(buffer, bytes, limit);
	memset(i, 0, sizeof(*i));
	i->base = i->index = INSN_NO_REG;
	decode_prefixes(&d);
	i->seg = d.segment < 0 ? X86_DS : d.segment;
	valid = decode_body(&d);
	used = d.p - buffer;
	i->len = MIN(used, limit);
	if (!valid || !i->handler)
		i->handler = exec_undefined;
	if (used > limit)
		return limit == MAX_LEN ? DECODE_TOO_LONG : DECODE_SHORT;
	if (!valid)
		i->op = invalid_row;
	return valid ? DECODE_OK : DECODE_INVALID;
}

//! Code points of `linux/netlink.h`, `linux/netfilter/nfnetlink.h` and `linux/netfilter/nf_tables.h`, named as there
//! so that one can look them up.

pub(in super::super) const NLM_F_REQUEST: u16 = 0x1;
pub(in super::super) const NLM_F_ACK: u16 = 0x4;
pub(in super::super) const NLM_F_DUMP_INTR: u16 = 0x10;
pub(in super::super) const NLM_F_CAPPED: u16 = 0x100;
pub(in super::super) const NLM_F_ACK_TLVS: u16 = 0x200;
pub(in super::super) const NLM_F_EXCL: u16 = 0x200;
pub(in super::super) const NLM_F_DUMP: u16 = 0x300;
pub(in super::super) const NLM_F_CREATE: u16 = 0x400;
pub(in super::super) const NLM_F_APPEND: u16 = 0x800;

pub(in super::super) const NLMSG_ERROR: u16 = 2;
pub(in super::super) const NLMSG_DONE: u16 = 3;
pub(in super::super) const NLMSGERR_ATTR_MSG: u16 = 1;

pub(in super::super) const NLA_F_NESTED: u16 = 0x8000;
pub(in super::super) const NLA_TYPE_MASK: u16 = 0x3fff;

pub(in super::super) const NFPROTO_UNSPEC: u8 = 0;
pub(in super::super) const NFPROTO_INET: u8 = 1;

pub(in super::super) const NFNL_SUBSYS_NFTABLES: u16 = 10;
pub(in super::super) const NFNL_MSG_BATCH_BEGIN: u16 = 16;
pub(in super::super) const NFNL_MSG_BATCH_END: u16 = 17;
pub(in super::super) const NFNL_BATCH_GENID: u16 = 1;

/// `enum nf_tables_msg_types` with the subsystem in the upper byte.
const fn nft(message: u16) -> u16 {
    NFNL_SUBSYS_NFTABLES << 8 | message
}

pub(in super::super) const NFT_MSG_NEWTABLE: u16 = nft(0);
pub(in super::super) const NFT_MSG_GETTABLE: u16 = nft(1);
pub(in super::super) const NFT_MSG_DELTABLE: u16 = nft(2);
pub(in super::super) const NFT_MSG_NEWCHAIN: u16 = nft(3);
pub(in super::super) const NFT_MSG_GETCHAIN: u16 = nft(4);
pub(in super::super) const NFT_MSG_DELCHAIN: u16 = nft(5);
pub(in super::super) const NFT_MSG_NEWRULE: u16 = nft(6);
pub(in super::super) const NFT_MSG_GETRULE: u16 = nft(7);
pub(in super::super) const NFT_MSG_DELRULE: u16 = nft(8);
pub(in super::super) const NFT_MSG_NEWSET: u16 = nft(9);
pub(in super::super) const NFT_MSG_GETSET: u16 = nft(10);
pub(in super::super) const NFT_MSG_DELSET: u16 = nft(11);
pub(in super::super) const NFT_MSG_NEWSETELEM: u16 = nft(12);
pub(in super::super) const NFT_MSG_GETSETELEM: u16 = nft(13);
pub(in super::super) const NFT_MSG_DELSETELEM: u16 = nft(14);
pub(in super::super) const NFT_MSG_NEWGEN: u16 = nft(15);
pub(in super::super) const NFT_MSG_GETGEN: u16 = nft(16);

/// Every object's message names its table so.
pub(in super::super) const NFTA_TABLE_OF_ANY: u16 = 1;

pub(in super::super) const NFTA_LIST_ELEM: u16 = 1;

pub(in super::super) const NFTA_TABLE_NAME: u16 = 1;
pub(in super::super) const NFTA_TABLE_FLAGS: u16 = 2;

pub(in super::super) const NFTA_CHAIN_TABLE: u16 = 1;
pub(in super::super) const NFTA_CHAIN_NAME: u16 = 3;
pub(in super::super) const NFTA_CHAIN_HOOK: u16 = 4;
pub(in super::super) const NFTA_CHAIN_POLICY: u16 = 5;
pub(in super::super) const NFTA_CHAIN_TYPE: u16 = 7;
pub(in super::super) const NFTA_HOOK_HOOKNUM: u16 = 1;
pub(in super::super) const NFTA_HOOK_PRIORITY: u16 = 2;

pub(in super::super) const NFTA_RULE_TABLE: u16 = 1;
pub(in super::super) const NFTA_RULE_CHAIN: u16 = 2;
pub(in super::super) const NFTA_RULE_EXPRESSIONS: u16 = 4;
pub(in super::super) const NFTA_RULE_USERDATA: u16 = 7;

pub(in super::super) const NFTA_SET_TABLE: u16 = 1;
pub(in super::super) const NFTA_SET_NAME: u16 = 2;
pub(in super::super) const NFTA_SET_FLAGS: u16 = 3;
pub(in super::super) const NFTA_SET_KEY_TYPE: u16 = 4;
pub(in super::super) const NFTA_SET_KEY_LEN: u16 = 5;
pub(in super::super) const NFTA_SET_DATA_TYPE: u16 = 6;
pub(in super::super) const NFTA_SET_DATA_LEN: u16 = 7;
pub(in super::super) const NFTA_SET_ID: u16 = 10;
pub(in super::super) const NFTA_SET_USERDATA: u16 = 13;

pub(in super::super) const NFTA_SET_ELEM_KEY: u16 = 1;
pub(in super::super) const NFTA_SET_ELEM_DATA: u16 = 2;
pub(in super::super) const NFTA_SET_ELEM_FLAGS: u16 = 3;
pub(in super::super) const NFTA_SET_ELEM_LIST_TABLE: u16 = 1;
pub(in super::super) const NFTA_SET_ELEM_LIST_SET: u16 = 2;
pub(in super::super) const NFTA_SET_ELEM_LIST_ELEMENTS: u16 = 3;

pub(in super::super) const NFTA_DATA_VALUE: u16 = 1;
pub(in super::super) const NFTA_DATA_VERDICT: u16 = 2;
pub(in super::super) const NFTA_VERDICT_CODE: u16 = 1;
pub(in super::super) const NFTA_VERDICT_CHAIN: u16 = 2;

pub(in super::super) const NFTA_EXPR_NAME: u16 = 1;
pub(in super::super) const NFTA_EXPR_DATA: u16 = 2;
pub(in super::super) const NFTA_IMMEDIATE_DREG: u16 = 1;
pub(in super::super) const NFTA_IMMEDIATE_DATA: u16 = 2;
pub(in super::super) const NFTA_BITWISE_SREG: u16 = 1;
pub(in super::super) const NFTA_BITWISE_DREG: u16 = 2;
pub(in super::super) const NFTA_BITWISE_LEN: u16 = 3;
pub(in super::super) const NFTA_BITWISE_MASK: u16 = 4;
pub(in super::super) const NFTA_BITWISE_XOR: u16 = 5;
pub(in super::super) const NFTA_BITWISE_OP: u16 = 6;
pub(in super::super) const NFTA_CMP_SREG: u16 = 1;
pub(in super::super) const NFTA_CMP_OP: u16 = 2;
pub(in super::super) const NFTA_CMP_DATA: u16 = 3;
pub(in super::super) const NFTA_LOOKUP_SET: u16 = 1;
pub(in super::super) const NFTA_LOOKUP_SREG: u16 = 2;
pub(in super::super) const NFTA_LOOKUP_DREG: u16 = 3;
pub(in super::super) const NFTA_LOOKUP_FLAGS: u16 = 5;
pub(in super::super) const NFTA_META_DREG: u16 = 1;
pub(in super::super) const NFTA_META_KEY: u16 = 2;
pub(in super::super) const NFTA_CT_DREG: u16 = 1;
pub(in super::super) const NFTA_CT_KEY: u16 = 2;
pub(in super::super) const NFTA_PAYLOAD_DREG: u16 = 1;
pub(in super::super) const NFTA_PAYLOAD_BASE: u16 = 2;
pub(in super::super) const NFTA_PAYLOAD_OFFSET: u16 = 3;
pub(in super::super) const NFTA_PAYLOAD_LEN: u16 = 4;

pub(in super::super) const NFTA_GEN_ID: u16 = 1;
pub(in super::super) const NFTA_GEN_PROC_NAME: u16 = 3;

// enum nft_set_flags, nft_set_elem_flags
pub(in super::super) const NFT_SET_INTERVAL: u32 = 0x4;
pub(in super::super) const NFT_SET_MAP: u32 = 0x8;
pub(in super::super) const NFT_SET_ELEM_INTERVAL_END: u32 = 0x1;
pub(in super::super) const NFT_DATA_VERDICT: u32 = 0xffff_ff00;

// enum nft_registers
pub(in super::super) const NFT_REG_VERDICT: u32 = 0;
pub(in super::super) const NFT_REG_1: u32 = 1;
pub(in super::super) const NFT_REG32_00: u32 = 8;

// enum nft_cmp_ops
pub(in super::super) const NFT_CMP_EQ: u32 = 0;
pub(in super::super) const NFT_CMP_NEQ: u32 = 1;
pub(in super::super) const NFT_CMP_LTE: u32 = 3;
pub(in super::super) const NFT_CMP_GTE: u32 = 5;

// Verdicts: linux/netfilter.h and enum nft_verdicts, whose negative numbers are given as the wire has them.
pub(in super::super) const NF_DROP: u32 = 0;
pub(in super::super) const NF_ACCEPT: u32 = 1;
pub(in super::super) const NFT_JUMP: u32 = (-3_i32).cast_unsigned();
pub(in super::super) const NFT_GOTO: u32 = (-4_i32).cast_unsigned();
pub(in super::super) const NFT_RETURN: u32 = (-5_i32).cast_unsigned();

// libnftnl's user data, which the kernel keeps and nft reads: enum nftnl_udata_rule_types, nftnl_udata_set_types.
pub(in super::super) const NFTNL_UDATA_RULE_COMMENT: u8 = 0;
pub(in super::super) const NFTNL_UDATA_SET_KEYBYTEORDER: u8 = 0;

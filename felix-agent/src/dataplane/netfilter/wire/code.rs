//! Code points of `linux/netlink.h` and, from `linux/netfilter/`, `nfnetlink.h`, `nf_tables.h` and
//! `nfnetlink_conntrack.h`, named as there so that one can look them up.

pub(in crate::dataplane) const NLM_F_REQUEST: u16 = 0x1;
pub(in crate::dataplane) const NLM_F_ACK: u16 = 0x4;
pub(in crate::dataplane) const NLM_F_DUMP_INTR: u16 = 0x10;
pub(in crate::dataplane) const NLM_F_CAPPED: u16 = 0x100;
pub(in crate::dataplane) const NLM_F_ACK_TLVS: u16 = 0x200;
pub(in crate::dataplane) const NLM_F_EXCL: u16 = 0x200;
pub(in crate::dataplane) const NLM_F_DUMP: u16 = 0x300;
pub(in crate::dataplane) const NLM_F_CREATE: u16 = 0x400;
pub(in crate::dataplane) const NLM_F_APPEND: u16 = 0x800;

pub(in crate::dataplane) const NLMSG_ERROR: u16 = 2;
pub(in crate::dataplane) const NLMSG_DONE: u16 = 3;
pub(in crate::dataplane) const NLMSGERR_ATTR_MSG: u16 = 1;

pub(in crate::dataplane) const NLA_F_NESTED: u16 = 0x8000;
pub(in crate::dataplane) const NLA_TYPE_MASK: u16 = 0x3fff;

pub(in crate::dataplane) const NFPROTO_UNSPEC: u8 = 0;
pub(in crate::dataplane) const NFPROTO_INET: u8 = 1;
pub(in crate::dataplane) const NFPROTO_IPV4: u8 = 2;
pub(in crate::dataplane) const NFPROTO_IPV6: u8 = 10;

pub(in crate::dataplane) const NFNL_SUBSYS_CTNETLINK: u16 = 1;
pub(in crate::dataplane) const NFNL_SUBSYS_NFTABLES: u16 = 10;
pub(in crate::dataplane) const NFNL_MSG_BATCH_BEGIN: u16 = 16;
pub(in crate::dataplane) const NFNL_MSG_BATCH_END: u16 = 17;
pub(in crate::dataplane) const NFNL_BATCH_GENID: u16 = 1;

/// `enum nf_tables_msg_types` with the subsystem in the upper byte.
const fn nft(message: u16) -> u16 {
    NFNL_SUBSYS_NFTABLES << 8 | message
}

pub(in crate::dataplane) const NFT_MSG_NEWTABLE: u16 = nft(0);
pub(in crate::dataplane) const NFT_MSG_GETTABLE: u16 = nft(1);
pub(in crate::dataplane) const NFT_MSG_DELTABLE: u16 = nft(2);
pub(in crate::dataplane) const NFT_MSG_NEWCHAIN: u16 = nft(3);
pub(in crate::dataplane) const NFT_MSG_GETCHAIN: u16 = nft(4);
pub(in crate::dataplane) const NFT_MSG_DELCHAIN: u16 = nft(5);
pub(in crate::dataplane) const NFT_MSG_NEWRULE: u16 = nft(6);
pub(in crate::dataplane) const NFT_MSG_GETRULE: u16 = nft(7);
pub(in crate::dataplane) const NFT_MSG_DELRULE: u16 = nft(8);
pub(in crate::dataplane) const NFT_MSG_NEWSET: u16 = nft(9);
pub(in crate::dataplane) const NFT_MSG_GETSET: u16 = nft(10);
pub(in crate::dataplane) const NFT_MSG_DELSET: u16 = nft(11);
pub(in crate::dataplane) const NFT_MSG_NEWSETELEM: u16 = nft(12);
pub(in crate::dataplane) const NFT_MSG_GETSETELEM: u16 = nft(13);
pub(in crate::dataplane) const NFT_MSG_DELSETELEM: u16 = nft(14);
pub(in crate::dataplane) const NFT_MSG_NEWGEN: u16 = nft(15);
pub(in crate::dataplane) const NFT_MSG_GETGEN: u16 = nft(16);

/// Every object's message names its table so.
pub(in crate::dataplane) const NFTA_TABLE_OF_ANY: u16 = 1;

pub(in crate::dataplane) const NFTA_LIST_ELEM: u16 = 1;

pub(in crate::dataplane) const NFTA_TABLE_NAME: u16 = 1;
pub(in crate::dataplane) const NFTA_TABLE_FLAGS: u16 = 2;

pub(in crate::dataplane) const NFTA_CHAIN_TABLE: u16 = 1;
pub(in crate::dataplane) const NFTA_CHAIN_NAME: u16 = 3;
pub(in crate::dataplane) const NFTA_CHAIN_HOOK: u16 = 4;
pub(in crate::dataplane) const NFTA_CHAIN_POLICY: u16 = 5;
pub(in crate::dataplane) const NFTA_CHAIN_TYPE: u16 = 7;
pub(in crate::dataplane) const NFTA_HOOK_HOOKNUM: u16 = 1;
pub(in crate::dataplane) const NFTA_HOOK_PRIORITY: u16 = 2;

pub(in crate::dataplane) const NFTA_RULE_TABLE: u16 = 1;
pub(in crate::dataplane) const NFTA_RULE_CHAIN: u16 = 2;
pub(in crate::dataplane) const NFTA_RULE_HANDLE: u16 = 3;
pub(in crate::dataplane) const NFTA_RULE_EXPRESSIONS: u16 = 4;
pub(in crate::dataplane) const NFTA_RULE_POSITION: u16 = 6;
pub(in crate::dataplane) const NFTA_RULE_USERDATA: u16 = 7;

pub(in crate::dataplane) const NFTA_SET_TABLE: u16 = 1;
pub(in crate::dataplane) const NFTA_SET_NAME: u16 = 2;
pub(in crate::dataplane) const NFTA_SET_FLAGS: u16 = 3;
pub(in crate::dataplane) const NFTA_SET_KEY_TYPE: u16 = 4;
pub(in crate::dataplane) const NFTA_SET_KEY_LEN: u16 = 5;
pub(in crate::dataplane) const NFTA_SET_DATA_TYPE: u16 = 6;
pub(in crate::dataplane) const NFTA_SET_DATA_LEN: u16 = 7;
pub(in crate::dataplane) const NFTA_SET_ID: u16 = 10;
pub(in crate::dataplane) const NFTA_SET_USERDATA: u16 = 13;

pub(in crate::dataplane) const NFTA_SET_ELEM_KEY: u16 = 1;
pub(in crate::dataplane) const NFTA_SET_ELEM_DATA: u16 = 2;
pub(in crate::dataplane) const NFTA_SET_ELEM_FLAGS: u16 = 3;
pub(in crate::dataplane) const NFTA_SET_ELEM_LIST_TABLE: u16 = 1;
pub(in crate::dataplane) const NFTA_SET_ELEM_LIST_SET: u16 = 2;
pub(in crate::dataplane) const NFTA_SET_ELEM_LIST_ELEMENTS: u16 = 3;

pub(in crate::dataplane) const NFTA_DATA_VALUE: u16 = 1;
pub(in crate::dataplane) const NFTA_DATA_VERDICT: u16 = 2;
pub(in crate::dataplane) const NFTA_VERDICT_CODE: u16 = 1;
pub(in crate::dataplane) const NFTA_VERDICT_CHAIN: u16 = 2;

pub(in crate::dataplane) const NFTA_EXPR_NAME: u16 = 1;
pub(in crate::dataplane) const NFTA_EXPR_DATA: u16 = 2;
pub(in crate::dataplane) const NFTA_IMMEDIATE_DREG: u16 = 1;
pub(in crate::dataplane) const NFTA_IMMEDIATE_DATA: u16 = 2;
pub(in crate::dataplane) const NFTA_BITWISE_SREG: u16 = 1;
pub(in crate::dataplane) const NFTA_BITWISE_DREG: u16 = 2;
pub(in crate::dataplane) const NFTA_BITWISE_LEN: u16 = 3;
pub(in crate::dataplane) const NFTA_BITWISE_MASK: u16 = 4;
pub(in crate::dataplane) const NFTA_BITWISE_XOR: u16 = 5;
pub(in crate::dataplane) const NFTA_BITWISE_OP: u16 = 6;
pub(in crate::dataplane) const NFTA_CMP_SREG: u16 = 1;
pub(in crate::dataplane) const NFTA_CMP_OP: u16 = 2;
pub(in crate::dataplane) const NFTA_CMP_DATA: u16 = 3;
pub(in crate::dataplane) const NFTA_LIMIT_RATE: u16 = 1;
pub(in crate::dataplane) const NFTA_LIMIT_UNIT: u16 = 2;
pub(in crate::dataplane) const NFTA_LIMIT_BURST: u16 = 3;
pub(in crate::dataplane) const NFTA_LIMIT_TYPE: u16 = 4;
pub(in crate::dataplane) const NFTA_LIMIT_FLAGS: u16 = 5;
pub(in crate::dataplane) const NFTA_LOG_GROUP: u16 = 1;
pub(in crate::dataplane) const NFTA_LOG_PREFIX: u16 = 2;
pub(in crate::dataplane) const NFTA_LOG_SNAPLEN: u16 = 3;
pub(in crate::dataplane) const NFTA_LOG_QTHRESHOLD: u16 = 4;
pub(in crate::dataplane) const NFTA_LOOKUP_SET: u16 = 1;
pub(in crate::dataplane) const NFTA_LOOKUP_SREG: u16 = 2;
pub(in crate::dataplane) const NFTA_LOOKUP_DREG: u16 = 3;
pub(in crate::dataplane) const NFTA_LOOKUP_FLAGS: u16 = 5;
pub(in crate::dataplane) const NFTA_META_DREG: u16 = 1;
pub(in crate::dataplane) const NFTA_META_KEY: u16 = 2;
pub(in crate::dataplane) const NFTA_CT_DREG: u16 = 1;
pub(in crate::dataplane) const NFTA_CT_KEY: u16 = 2;
pub(in crate::dataplane) const NFTA_CT_SREG: u16 = 4;
pub(in crate::dataplane) const NFTA_PAYLOAD_DREG: u16 = 1;
pub(in crate::dataplane) const NFTA_PAYLOAD_BASE: u16 = 2;
pub(in crate::dataplane) const NFTA_PAYLOAD_OFFSET: u16 = 3;
pub(in crate::dataplane) const NFTA_PAYLOAD_LEN: u16 = 4;

pub(in crate::dataplane) const NFTA_RANGE_SREG: u16 = 1;
pub(in crate::dataplane) const NFTA_RANGE_OP: u16 = 2;
pub(in crate::dataplane) const NFTA_RANGE_FROM_DATA: u16 = 3;
pub(in crate::dataplane) const NFTA_RANGE_TO_DATA: u16 = 4;

pub(in crate::dataplane) const NFTA_GEN_ID: u16 = 1;
pub(in crate::dataplane) const NFTA_GEN_PROC_NAME: u16 = 3;

// enum nft_set_flags, nft_set_elem_flags
pub(in crate::dataplane) const NFT_SET_INTERVAL: u32 = 0x4;
pub(in crate::dataplane) const NFT_SET_MAP: u32 = 0x8;
pub(in crate::dataplane) const NFT_SET_ELEM_INTERVAL_END: u32 = 0x1;
pub(in crate::dataplane) const NFT_DATA_VERDICT: u32 = 0xffff_ff00;

// enum nft_registers
pub(in crate::dataplane) const NFT_REG_VERDICT: u32 = 0;
pub(in crate::dataplane) const NFT_REG_1: u32 = 1;
pub(in crate::dataplane) const NFT_REG32_00: u32 = 8;

// enum nft_cmp_ops
pub(in crate::dataplane) const NFT_CMP_EQ: u32 = 0;
pub(in crate::dataplane) const NFT_CMP_NEQ: u32 = 1;
pub(in crate::dataplane) const NFT_CMP_LTE: u32 = 3;
pub(in crate::dataplane) const NFT_CMP_GTE: u32 = 5;

// enum nft_range_ops, nft_lookup_flags, nft_limit_type
pub(in crate::dataplane) const NFT_RANGE_NEQ: u32 = 1;
pub(in crate::dataplane) const NFT_LOOKUP_F_INV: u32 = 1;
pub(in crate::dataplane) const NFT_LIMIT_PKTS: u32 = 0;

// Verdicts: linux/netfilter.h and enum nft_verdicts, whose negative numbers are given as the wire has them.
pub(in crate::dataplane) const NF_DROP: u32 = 0;
pub(in crate::dataplane) const NF_ACCEPT: u32 = 1;
pub(in crate::dataplane) const NFT_JUMP: u32 = (-3_i32).cast_unsigned();
pub(in crate::dataplane) const NFT_GOTO: u32 = (-4_i32).cast_unsigned();
pub(in crate::dataplane) const NFT_RETURN: u32 = (-5_i32).cast_unsigned();

// libnftnl's user data, which the kernel keeps and nft reads: enum nftnl_udata_rule_types, nftnl_udata_set_types.
pub(in crate::dataplane) const NFTNL_UDATA_RULE_COMMENT: u8 = 0;
pub(in crate::dataplane) const NFTNL_UDATA_SET_KEYBYTEORDER: u8 = 0;

/// `enum cntl_msg_types` with the subsystem in the upper byte.
const fn ctnl(message: u16) -> u16 {
    NFNL_SUBSYS_CTNETLINK << 8 | message
}

pub(in crate::dataplane) const IPCTNL_MSG_CT_NEW: u16 = ctnl(0);
pub(in crate::dataplane) const IPCTNL_MSG_CT_GET: u16 = ctnl(1);
pub(in crate::dataplane) const IPCTNL_MSG_CT_DELETE: u16 = ctnl(2);

// enum ctattr_type
pub(in crate::dataplane) const CTA_TUPLE_ORIG: u16 = 1;
pub(in crate::dataplane) const CTA_TUPLE_REPLY: u16 = 2;
pub(in crate::dataplane) const CTA_MARK: u16 = 8;
pub(in crate::dataplane) const CTA_ID: u16 = 12;
pub(in crate::dataplane) const CTA_ZONE: u16 = 18;
pub(in crate::dataplane) const CTA_MARK_MASK: u16 = 21;
// enum ctattr_tuple, ctattr_ip, ctattr_l4proto
pub(in crate::dataplane) const CTA_TUPLE_IP: u16 = 1;
pub(in crate::dataplane) const CTA_TUPLE_PROTO: u16 = 2;
pub(in crate::dataplane) const CTA_IP_V4_SRC: u16 = 1;
pub(in crate::dataplane) const CTA_IP_V4_DST: u16 = 2;
pub(in crate::dataplane) const CTA_IP_V6_SRC: u16 = 3;
pub(in crate::dataplane) const CTA_IP_V6_DST: u16 = 4;
pub(in crate::dataplane) const CTA_PROTO_NUM: u16 = 1;
pub(in crate::dataplane) const CTA_PROTO_SRC_PORT: u16 = 2;
pub(in crate::dataplane) const CTA_PROTO_DST_PORT: u16 = 3;
pub(in crate::dataplane) const CTA_PROTO_ICMP_TYPE: u16 = 5;
pub(in crate::dataplane) const CTA_PROTO_ICMP_CODE: u16 = 6;
pub(in crate::dataplane) const CTA_PROTO_ICMPV6_TYPE: u16 = 8;
pub(in crate::dataplane) const CTA_PROTO_ICMPV6_CODE: u16 = 9;

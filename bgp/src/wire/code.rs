//! Code points: IANA's numbers and RFC names, apart from the code that uses them.

#[cfg(test)]
mod tests;

/// Message types, RFC 4271 §4.1 and RFC 2918 §3.
pub mod message {
    /// OPEN.
    pub const OPEN: u8 = 1;
    /// UPDATE.
    pub const UPDATE: u8 = 2;
    /// NOTIFICATION.
    pub const NOTIFICATION: u8 = 3;
    /// KEEPALIVE.
    pub const KEEPALIVE: u8 = 4;
    /// ROUTE-REFRESH.
    pub const ROUTE_REFRESH: u8 = 5;
}

/// Address families and subsequent address families, RFC 4760.
pub mod family {
    /// AFI of IPv4.
    pub const AFI_IPV4: u16 = 1;
    /// AFI of IPv6.
    pub const AFI_IPV6: u16 = 2;
    /// SAFI of unicast forwarding.
    pub const SAFI_UNICAST: u8 = 1;
}

/// Optional parameters of OPEN, RFC 5492 and RFC 9072.
pub mod parameter {
    /// Capabilities.
    pub const CAPABILITIES: u8 = 2;
    /// Extended length: as first type it says that two-octet lengths follow; as old length likewise.
    pub const EXTENDED_LENGTH: u8 = 255;
}

/// Capability codes, RFC 5492.
pub mod capability {
    /// Multiprotocol extensions, RFC 4760.
    pub const MULTI_PROTOCOL: u8 = 1;
    /// Route refresh, RFC 2918.
    pub const ROUTE_REFRESH: u8 = 2;
    /// Extended next hop encoding, RFC 8950.
    pub const EXTENDED_NEXT_HOP: u8 = 5;
    /// Extended message, RFC 8654.
    pub const EXTENDED_MESSAGE: u8 = 6;
    /// Role, RFC 9234.
    pub const ROLE: u8 = 9;
    /// Graceful restart, RFC 4724.
    pub const GRACEFUL_RESTART: u8 = 64;
    /// Four-octet AS numbers, RFC 6793.
    pub const FOUR_OCTET_AS: u8 = 65;
    /// ADD-PATH, RFC 7911.
    pub const ADD_PATH: u8 = 69;
    /// Enhanced route refresh, RFC 7313.
    pub const ENHANCED_ROUTE_REFRESH: u8 = 70;
    /// Long-lived graceful restart, RFC 9494.
    pub const LONG_LIVED_GRACEFUL_RESTART: u8 = 71;
}

/// Path attribute flags, RFC 4271 §4.3.
pub mod flag {
    /// Optional, not well-known.
    pub const OPTIONAL: u8 = 0x80;
    /// To be passed on.
    pub const TRANSITIVE: u8 = 0x40;
    /// A speaker on the way did not know it.
    pub const PARTIAL: u8 = 0x20;
    /// The length has two octets.
    pub const EXTENDED_LENGTH: u8 = 0x10;
}

/// Path attribute type codes.
pub mod attribute {
    /// ORIGIN, RFC 4271.
    pub const ORIGIN: u8 = 1;
    /// AS_PATH, RFC 4271.
    pub const AS_PATH: u8 = 2;
    /// NEXT_HOP, RFC 4271.
    pub const NEXT_HOP: u8 = 3;
    /// MULTI_EXIT_DISC, RFC 4271.
    pub const MULTI_EXIT_DISC: u8 = 4;
    /// LOCAL_PREF, RFC 4271.
    pub const LOCAL_PREF: u8 = 5;
    /// ATOMIC_AGGREGATE, RFC 4271.
    pub const ATOMIC_AGGREGATE: u8 = 6;
    /// AGGREGATOR, RFC 4271.
    pub const AGGREGATOR: u8 = 7;
    /// COMMUNITIES, RFC 1997.
    pub const COMMUNITIES: u8 = 8;
    /// ORIGINATOR_ID, RFC 4456.
    pub const ORIGINATOR_ID: u8 = 9;
    /// CLUSTER_LIST, RFC 4456.
    pub const CLUSTER_LIST: u8 = 10;
    /// MP_REACH_NLRI, RFC 4760.
    pub const MP_REACH_NLRI: u8 = 14;
    /// MP_UNREACH_NLRI, RFC 4760.
    pub const MP_UNREACH_NLRI: u8 = 15;
    /// EXTENDED COMMUNITIES, RFC 4360.
    pub const EXTENDED_COMMUNITIES: u8 = 16;
    /// AS4_PATH, RFC 6793.
    pub const AS4_PATH: u8 = 17;
    /// AS4_AGGREGATOR, RFC 6793.
    pub const AS4_AGGREGATOR: u8 = 18;
    /// IPv6 address specific extended communities, RFC 5701.
    pub const IPV6_EXTENDED_COMMUNITIES: u8 = 25;
    /// LARGE_COMMUNITY, RFC 8092.
    pub const LARGE_COMMUNITY: u8 = 32;
    /// ONLY_TO_CUSTOMER, RFC 9234.
    pub const ONLY_TO_CUSTOMER: u8 = 35;
}

/// AS_PATH segment types, RFC 4271 §4.3 and RFC 5065 §3.
pub mod segment {
    /// AS_SET.
    pub const SET: u8 = 1;
    /// AS_SEQUENCE.
    pub const SEQUENCE: u8 = 2;
    /// AS_CONFED_SEQUENCE.
    pub const CONFED_SEQUENCE: u8 = 3;
    /// AS_CONFED_SET.
    pub const CONFED_SET: u8 = 4;
}

/// Stands for a number that does not fit into two octets, RFC 6793 §4.
pub const AS_TRANS: u16 = 23456;

/// ROUTE-REFRESH message subtypes, RFC 7313 §3.2.
pub mod refresh {
    /// Send them again.
    pub const REQUEST: u8 = 0;
    /// BoRR.
    pub const BEGIN: u8 = 1;
    /// EoRR.
    pub const END: u8 = 2;
}

/// The second and first octet of an extended community, RFC 4360 §3 and RFC 5668.
pub mod extended_community {
    /// Type: transitive, of a two-octet AS.
    pub const TWO_OCTET_AS: u8 = 0x00;
    /// Type: transitive, of an IPv4 address.
    pub const IPV4_ADDRESS: u8 = 0x01;
    /// Type: transitive, of a four-octet AS.
    pub const FOUR_OCTET_AS: u8 = 0x02;
    /// Subtype: route target.
    pub const ROUTE_TARGET: u8 = 0x02;
    /// Subtype: route origin, "site of origin".
    pub const ROUTE_ORIGIN: u8 = 0x03;
}

/// NOTIFICATION error codes, RFC 4271 §4.5, RFC 7313 and RFC 9687.
pub mod error {
    /// Message Header Error.
    pub const HEADER: u8 = 1;
    /// OPEN Message Error.
    pub const OPEN: u8 = 2;
    /// UPDATE Message Error.
    pub const UPDATE: u8 = 3;
    /// Hold Timer Expired.
    pub const HOLD_TIMER_EXPIRED: u8 = 4;
    /// Finite State Machine Error.
    pub const FSM: u8 = 5;
    /// Cease.
    pub const CEASE: u8 = 6;
    /// ROUTE-REFRESH Message Error.
    pub const ROUTE_REFRESH: u8 = 7;
    /// Send Hold Timer Expired.
    pub const SEND_HOLD_TIMER_EXPIRED: u8 = 8;
}

/// The subcode of errors that have none of their own.
pub const UNSPECIFIC: u8 = 0;

/// Subcodes of [`error::HEADER`].
pub mod header_error {
    /// Connection Not Synchronized.
    pub const NOT_SYNCHRONIZED: u8 = 1;
    /// Bad Message Length.
    pub const BAD_LENGTH: u8 = 2;
    /// Bad Message Type.
    pub const BAD_TYPE: u8 = 3;
}

/// Subcodes of [`error::OPEN`].
pub mod open_error {
    /// Unsupported Version Number.
    pub const UNSUPPORTED_VERSION: u8 = 1;
    /// Bad Peer AS.
    pub const BAD_PEER_AS: u8 = 2;
    /// Bad BGP Identifier.
    pub const BAD_BGP_IDENTIFIER: u8 = 3;
    /// Unsupported Optional Parameter.
    pub const UNSUPPORTED_PARAMETER: u8 = 4;
    /// Unacceptable Hold Time.
    pub const UNACCEPTABLE_HOLD_TIME: u8 = 6;
    /// Unsupported Capability, RFC 5492.
    pub const UNSUPPORTED_CAPABILITY: u8 = 7;
    /// Role Mismatch, RFC 9234.
    pub const ROLE_MISMATCH: u8 = 11;
}

/// Subcodes of [`error::UPDATE`].
pub mod update_error {
    /// Malformed Attribute List.
    pub const MALFORMED_ATTRIBUTE_LIST: u8 = 1;
    /// Unrecognized Well-known Attribute.
    pub const UNRECOGNIZED_WELL_KNOWN: u8 = 2;
    /// Missing Well-known Attribute.
    pub const MISSING_WELL_KNOWN: u8 = 3;
    /// Attribute Flags Error.
    pub const ATTRIBUTE_FLAGS: u8 = 4;
    /// Attribute Length Error.
    pub const ATTRIBUTE_LENGTH: u8 = 5;
    /// Invalid ORIGIN Attribute.
    pub const INVALID_ORIGIN: u8 = 6;
    /// Invalid NEXT_HOP Attribute.
    pub const INVALID_NEXT_HOP: u8 = 8;
    /// Optional Attribute Error.
    pub const OPTIONAL_ATTRIBUTE: u8 = 9;
    /// Invalid Network Field.
    pub const INVALID_NETWORK_FIELD: u8 = 10;
    /// Malformed AS_PATH.
    pub const MALFORMED_AS_PATH: u8 = 11;
}

/// Subcodes of [`error::FSM`], RFC 6608.
pub mod fsm_error {
    /// Receive Unexpected Message in OpenSent State.
    pub const UNEXPECTED_IN_OPEN_SENT: u8 = 1;
    /// Receive Unexpected Message in OpenConfirm State.
    pub const UNEXPECTED_IN_OPEN_CONFIRM: u8 = 2;
    /// Receive Unexpected Message in Established State.
    pub const UNEXPECTED_IN_ESTABLISHED: u8 = 3;
}

/// Subcodes of [`error::ROUTE_REFRESH`], RFC 7313 §5.
pub mod refresh_error {
    /// Invalid Message Length.
    pub const INVALID_LENGTH: u8 = 1;
}

/// Subcodes of [`error::CEASE`], RFC 4486, RFC 8538 and RFC 9384.
pub mod cease {
    /// Maximum Number of Prefixes Reached.
    pub const MAXIMUM_PREFIXES: u8 = 1;
    /// Administrative Shutdown.
    pub const ADMINISTRATIVE_SHUTDOWN: u8 = 2;
    /// Peer De-configured.
    pub const PEER_DECONFIGURED: u8 = 3;
    /// Administrative Reset.
    pub const ADMINISTRATIVE_RESET: u8 = 4;
    /// Connection Rejected.
    pub const CONNECTION_REJECTED: u8 = 5;
    /// Other Configuration Change.
    pub const OTHER_CONFIGURATION_CHANGE: u8 = 6;
    /// Connection Collision Resolution.
    pub const COLLISION_RESOLUTION: u8 = 7;
    /// Out of Resources.
    pub const OUT_OF_RESOURCES: u8 = 8;
    /// Hard Reset.
    pub const HARD_RESET: u8 = 9;
    /// BFD Down.
    pub const BFD_DOWN: u8 = 10;
}

/// Name of an error code and subcode, as in RFC 4271 §4.5: "OPEN Message Error / Bad Peer AS".
#[must_use]
pub fn describe(code: u8, subcode: u8) -> String {
    let Some(name) = error_name(code) else {
        return format!("Unknown Error {code} / {subcode}");
    };
    match (subcode_name(code, subcode), subcode) {
        (Some(detail), _) => format!("{name} / {detail}"),
        (None, UNSPECIFIC) => name.to_owned(),
        (None, _) => format!("{name} / {subcode}"),
    }
}

fn error_name(code: u8) -> Option<&'static str> {
    Some(match code {
        error::HEADER => "Message Header Error",
        error::OPEN => "OPEN Message Error",
        error::UPDATE => "UPDATE Message Error",
        error::HOLD_TIMER_EXPIRED => "Hold Timer Expired",
        error::FSM => "Finite State Machine Error",
        error::CEASE => "Cease",
        error::ROUTE_REFRESH => "ROUTE-REFRESH Message Error",
        error::SEND_HOLD_TIMER_EXPIRED => "Send Hold Timer Expired",
        _ => return None,
    })
}

fn subcode_name(code: u8, subcode: u8) -> Option<&'static str> {
    Some(match (code, subcode) {
        (error::HEADER, header_error::NOT_SYNCHRONIZED) => "Connection Not Synchronized",
        (error::HEADER, header_error::BAD_LENGTH) => "Bad Message Length",
        (error::HEADER, header_error::BAD_TYPE) => "Bad Message Type",
        (error::OPEN, open_error::UNSUPPORTED_VERSION) => "Unsupported Version Number",
        (error::OPEN, open_error::BAD_PEER_AS) => "Bad Peer AS",
        (error::OPEN, open_error::BAD_BGP_IDENTIFIER) => "Bad BGP Identifier",
        (error::OPEN, open_error::UNSUPPORTED_PARAMETER) => "Unsupported Optional Parameter",
        (error::OPEN, open_error::UNACCEPTABLE_HOLD_TIME) => "Unacceptable Hold Time",
        (error::OPEN, open_error::UNSUPPORTED_CAPABILITY) => "Unsupported Capability",
        (error::OPEN, open_error::ROLE_MISMATCH) => "Role Mismatch",
        (error::UPDATE, update_error::MALFORMED_ATTRIBUTE_LIST) => "Malformed Attribute List",
        (error::UPDATE, update_error::UNRECOGNIZED_WELL_KNOWN) => "Unrecognized Well-known Attribute",
        (error::UPDATE, update_error::MISSING_WELL_KNOWN) => "Missing Well-known Attribute",
        (error::UPDATE, update_error::ATTRIBUTE_FLAGS) => "Attribute Flags Error",
        (error::UPDATE, update_error::ATTRIBUTE_LENGTH) => "Attribute Length Error",
        (error::UPDATE, update_error::INVALID_ORIGIN) => "Invalid ORIGIN Attribute",
        (error::UPDATE, update_error::INVALID_NEXT_HOP) => "Invalid NEXT_HOP Attribute",
        (error::UPDATE, update_error::OPTIONAL_ATTRIBUTE) => "Optional Attribute Error",
        (error::UPDATE, update_error::INVALID_NETWORK_FIELD) => "Invalid Network Field",
        (error::UPDATE, update_error::MALFORMED_AS_PATH) => "Malformed AS_PATH",
        (error::FSM, fsm_error::UNEXPECTED_IN_OPEN_SENT) => "Receive Unexpected Message in OpenSent State",
        (error::FSM, fsm_error::UNEXPECTED_IN_OPEN_CONFIRM) => {
            "Receive Unexpected Message in OpenConfirm State"
        }
        (error::FSM, fsm_error::UNEXPECTED_IN_ESTABLISHED) => {
            "Receive Unexpected Message in Established State"
        }
        (error::CEASE, cease::MAXIMUM_PREFIXES) => "Maximum Number of Prefixes Reached",
        (error::CEASE, cease::ADMINISTRATIVE_SHUTDOWN) => "Administrative Shutdown",
        (error::CEASE, cease::PEER_DECONFIGURED) => "Peer De-configured",
        (error::CEASE, cease::ADMINISTRATIVE_RESET) => "Administrative Reset",
        (error::CEASE, cease::CONNECTION_REJECTED) => "Connection Rejected",
        (error::CEASE, cease::OTHER_CONFIGURATION_CHANGE) => "Other Configuration Change",
        (error::CEASE, cease::COLLISION_RESOLUTION) => "Connection Collision Resolution",
        (error::CEASE, cease::OUT_OF_RESOURCES) => "Out of Resources",
        (error::CEASE, cease::HARD_RESET) => "Hard Reset",
        (error::CEASE, cease::BFD_DOWN) => "BFD Down",
        (error::ROUTE_REFRESH, refresh_error::INVALID_LENGTH) => "Invalid Message Length",
        _ => return None,
    })
}

/// Name of a path attribute, as its RFC writes it; "attribute 99" for others.
#[must_use]
pub fn attribute_name(code: u8) -> String {
    match code {
        attribute::ORIGIN => "ORIGIN",
        attribute::AS_PATH => "AS_PATH",
        attribute::NEXT_HOP => "NEXT_HOP",
        attribute::MULTI_EXIT_DISC => "MULTI_EXIT_DISC",
        attribute::LOCAL_PREF => "LOCAL_PREF",
        attribute::ATOMIC_AGGREGATE => "ATOMIC_AGGREGATE",
        attribute::AGGREGATOR => "AGGREGATOR",
        attribute::COMMUNITIES => "COMMUNITIES",
        attribute::ORIGINATOR_ID => "ORIGINATOR_ID",
        attribute::CLUSTER_LIST => "CLUSTER_LIST",
        attribute::MP_REACH_NLRI => "MP_REACH_NLRI",
        attribute::MP_UNREACH_NLRI => "MP_UNREACH_NLRI",
        attribute::EXTENDED_COMMUNITIES => "EXTENDED COMMUNITIES",
        attribute::AS4_PATH => "AS4_PATH",
        attribute::AS4_AGGREGATOR => "AS4_AGGREGATOR",
        attribute::IPV6_EXTENDED_COMMUNITIES => "IPv6 EXTENDED COMMUNITIES",
        attribute::LARGE_COMMUNITY => "LARGE_COMMUNITY",
        attribute::ONLY_TO_CUSTOMER => "ONLY_TO_CUSTOMER",
        other => return format!("attribute {other}"),
    }
    .to_owned()
}

//! Ends that this speaker wants: which Cease the peer is told (RFC 4486, RFC 9003, RFC 8538, RFC 9384).

use bytes::{BufMut, Bytes, BytesMut};

use crate::wire::Notification;
use crate::wire::code::{cease, error};

/// The longest shutdown communication, RFC 9003 §2.
const MAX_COMMUNICATION_OCTETS: usize = 255;

/// Cease subcodes of RFC 4486 §3, RFC 9003 and RFC 9384 that this speaker sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cease {
    /// 1.
    MaximumPrefixes,
    /// 2.
    AdministrativeShutdown,
    /// 3.
    PeerDeconfigured,
    /// 4.
    AdministrativeReset,
    /// 5.
    ConnectionRejected,
    /// 6.
    OtherConfigurationChange,
    /// 7.
    ConnectionCollisionResolution,
    /// 8.
    OutOfResources,
    /// 10.
    BfdDown,
}

impl Cease {
    /// The message that says so.
    #[must_use]
    pub fn notification(self) -> Notification {
        Notification::cease(self.subcode())
    }

    /// Its number.
    #[must_use]
    pub fn subcode(self) -> u8 {
        match self {
            Self::MaximumPrefixes => cease::MAXIMUM_PREFIXES,
            Self::AdministrativeShutdown => cease::ADMINISTRATIVE_SHUTDOWN,
            Self::PeerDeconfigured => cease::PEER_DECONFIGURED,
            Self::AdministrativeReset => cease::ADMINISTRATIVE_RESET,
            Self::ConnectionRejected => cease::CONNECTION_REJECTED,
            Self::OtherConfigurationChange => cease::OTHER_CONFIGURATION_CHANGE,
            Self::ConnectionCollisionResolution => cease::COLLISION_RESOLUTION,
            Self::OutOfResources => cease::OUT_OF_RESOURCES,
            Self::BfdDown => cease::BFD_DOWN,
        }
    }

    /// RFC 9003 gives these a text and no others.
    fn has_communication(self) -> bool {
        match self {
            Self::AdministrativeShutdown | Self::AdministrativeReset => true,
            Self::MaximumPrefixes
            | Self::PeerDeconfigured
            | Self::ConnectionRejected
            | Self::OtherConfigurationChange
            | Self::ConnectionCollisionResolution
            | Self::OutOfResources
            | Self::BfdDown => false,
        }
    }
}

/// An end that the owner wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// What the peer is told.
    pub cease: Cease,
    /// In words (RFC 9003), for shutdown and reset; cut at 255 octets.
    pub communication: Option<String>,
    /// The peer is not to keep our routes: where RFC 8538 is spoken, a Hard Reset says so.
    pub hard: bool,
    /// For our own people: one sentence.
    pub why: String,
}

impl Stop {
    /// What is sent: a Hard Reset around the Cease where one is wanted and the peer has agreed to RFC 8538, which
    /// alone gives it a meaning.
    pub(super) fn notification(&self, peer_keeps_routes: bool) -> Notification {
        let communication = self.communication.as_deref().filter(|_| self.cease.has_communication());
        let plain = cease_with(self.cease.subcode(), communication.unwrap_or_default());
        if self.hard && peer_keeps_routes { hard_reset(&plain) } else { plain }
    }
}

fn cease_with(subcode: u8, text: &str) -> Notification {
    let text = text.get(..text.floor_char_boundary(MAX_COMMUNICATION_OCTETS)).unwrap_or_default();
    let mut data = BytesMut::new();
    if let Some(length) = u8::try_from(text.len()).ok().filter(|length| *length > 0) {
        data.put_u8(length);
        data.put_slice(text.as_bytes());
    }
    Notification::new(error::CEASE, subcode, data)
}

/// RFC 8538 §3: what would have been sent stands in the data.
fn hard_reset(inner: &Notification) -> Notification {
    let mut data = BytesMut::new();
    data.put_slice(&[inner.code, inner.subcode]);
    data.put_slice(&inner.data);
    Notification::new(error::CEASE, cease::HARD_RESET, data)
}

/// What a Hard Reset was sent for.
pub(super) fn hard_reset_inner(outer: &Notification) -> Option<Notification> {
    let ([code, subcode], data) = outer.data.split_first_chunk()?;
    is_hard_reset(outer).then(|| Notification::new(*code, *subcode, Bytes::copy_from_slice(data)))
}

pub(super) fn is_hard_reset(notification: &Notification) -> bool {
    (notification.code, notification.subcode) == (error::CEASE, cease::HARD_RESET)
}

//! Control packets, RFC 5880 §4.1: octets ↔ values.
//!
//! ```text
//!  0                   1                   2                   3
//! +-----+---------+---+-+-+-+-+-+-+---------------+---------------+
//! |Vers |  Diag   |Sta|P|F|C|A|D|M|  Detect Mult  |    Length     |
//! +---------------------------------------------------------------+
//! |        My Discriminator, Your Discriminator (4 octets each)     |
//! |  Desired Min TX, Required Min RX, Required Min Echo RX Interval |
//! +---------------------------------------------------------------+
//! ```
//!
//! Decoding makes all the checks of §6.8.6 that need no session; what it refuses is dropped without a word. Fields are
//! named from their sender's point of view. Deliberately absent: authentication (§6.7). RFC 5881 §5 gets its safety
//! from TTL 255, and a packet with the A bit is discarded since no session of ours uses authentication.

use std::time::Duration;

use super::State;

#[cfg(test)]
mod tests;

/// Octets of a packet without authentication, which is all that we send.
pub const OCTETS: usize = 24;

const VERSION: u8 = 1;
/// The shortest authentication section follows the mandatory ones.
const AUTHENTICATED_OCTETS: u8 = 26;

const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const INDEPENDENT: u8 = 0x08;
const AUTHENTICATION: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;

/// Reasons for the last change of a session's state, RFC 5880 §4.1 (Diag).
pub mod diagnostic {
    /// None.
    pub const NONE: u8 = 0;
    /// The other end was not heard for the detection time.
    pub const DETECTION_TIME_EXPIRED: u8 = 1;
    /// The other end said that the session is down.
    pub const NEIGHBOR_SIGNALED_DOWN: u8 = 3;
    /// An operator wants it down.
    pub const ADMINISTRATIVELY_DOWN: u8 = 7;

    /// In words.
    #[must_use]
    pub fn describe(code: u8) -> &'static str {
        match code {
            NONE => "no diagnostic",
            DETECTION_TIME_EXPIRED => "control detection time expired",
            2 => "echo function failed",
            NEIGHBOR_SIGNALED_DOWN => "neighbor signaled session down",
            4 => "forwarding plane reset",
            5 => "path down",
            6 => "concatenated path down",
            ADMINISTRATIVELY_DOWN => "administratively down",
            8 => "reverse concatenated path down",
            _ => "unknown diagnostic",
        }
    }
}

/// A control packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Why the sender's state last changed; 5 bits, see [`diagnostic`].
    pub diagnostic: u8,
    /// The sender's state.
    pub state: State,
    /// P: an answer with F is wanted.
    pub poll: bool,
    /// F: an answer to P.
    pub final_: bool,
    /// C: the sender's BFD outlives its control plane.
    pub independent: bool,
    /// D: the sender wants no periodic packets.
    pub demand: bool,
    /// Detect Mult; never zero in a decoded packet.
    pub multiplier: u8,
    /// The sender's; never zero in a decoded packet.
    pub my_discriminator: u32,
    /// The receiver's, as last heard; zero if it was not.
    pub your_discriminator: u32,
    /// The sender would like to send no more often, µs.
    pub desired_min_tx: Micros,
    /// The sender can take no more than one packet in so long, µs; zero for none at all.
    pub required_min_rx: Micros,
    /// The same for Echo packets; zero where they are not spoken.
    pub required_min_echo_rx: Micros,
}

/// An interval as packets carry it: microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Micros(pub u32);

impl From<Micros> for Duration {
    fn from(micros: Micros) -> Self {
        Self::from_micros(u64::from(micros.0))
    }
}

impl From<Duration> for Micros {
    /// Beyond 71 minutes the field is full.
    fn from(duration: Duration) -> Self {
        Self(u32::try_from(duration.as_micros()).unwrap_or(u32::MAX))
    }
}

/// Why a packet is dropped, RFC 5880 §6.8.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Discard {
    /// Fewer octets than the mandatory section has.
    #[error("{0} octets are no control packet")]
    Truncated(usize),
    /// Another version.
    #[error("version {0} is not 1")]
    Version(u8),
    /// The Length field is too small, or larger than the datagram.
    #[error("length field of {claimed} in a datagram of {datagram} octets")]
    Length {
        /// As the field says.
        claimed: u8,
        /// As there are.
        datagram: usize,
    },
    /// Detect Mult is zero.
    #[error("detection multiplier of zero")]
    ZeroMultiplier,
    /// The M bit is set.
    #[error("multipoint bit is set")]
    Multipoint,
    /// My Discriminator is zero.
    #[error("the sender's discriminator is zero")]
    ZeroDiscriminator,
    /// Your Discriminator is zero although the sender claims to have heard us.
    #[error("state {0} without our discriminator")]
    Unaddressed(State),
    /// The A bit is set, and we authenticate nobody.
    #[error("authenticated, but authentication is not in use")]
    Authenticated,
}

impl Packet {
    /// Reads the payload of a UDP datagram. Octets after the Length field's end are ignored.
    ///
    /// # Errors
    /// It has to be dropped.
    pub fn decode(datagram: &[u8]) -> Result<Self, Discard> {
        let Some((mandatory, _)) = datagram.split_first_chunk::<OCTETS>() else {
            return Err(Discard::Truncated(datagram.len()));
        };
        let [first, second, multiplier, claimed, words @ ..] = mandatory;
        let version = first >> 5;
        if version != VERSION {
            return Err(Discard::Version(version));
        }
        let authenticated = second & AUTHENTICATION != 0;
        let shortest = if authenticated { AUTHENTICATED_OCTETS } else { OCTETS as u8 };
        if *claimed < shortest || usize::from(*claimed) > datagram.len() {
            return Err(Discard::Length { claimed: *claimed, datagram: datagram.len() });
        }
        if *multiplier == 0 {
            return Err(Discard::ZeroMultiplier);
        }
        if second & MULTIPOINT != 0 {
            return Err(Discard::Multipoint);
        }
        let word = |index: usize| {
            let octets = words.as_chunks::<4>().0.get(index).copied().unwrap_or_default();
            u32::from_be_bytes(octets)
        };
        let packet = Self {
            diagnostic: first & 0x1f,
            state: State::from_bits(second >> 6),
            poll: second & POLL != 0,
            final_: second & FINAL != 0,
            independent: second & INDEPENDENT != 0,
            demand: second & DEMAND != 0,
            multiplier: *multiplier,
            my_discriminator: word(0),
            your_discriminator: word(1),
            desired_min_tx: Micros(word(2)),
            required_min_rx: Micros(word(3)),
            required_min_echo_rx: Micros(word(4)),
        };
        packet.check(authenticated)
    }

    fn check(self, authenticated: bool) -> Result<Self, Discard> {
        if self.my_discriminator == 0 {
            return Err(Discard::ZeroDiscriminator);
        }
        if self.your_discriminator == 0 && !matches!(self.state, State::Down | State::AdminDown) {
            return Err(Discard::Unaddressed(self.state));
        }
        if authenticated {
            return Err(Discard::Authenticated);
        }
        Ok(self)
    }

    /// The payload of a UDP datagram.
    #[must_use]
    pub fn encode(&self) -> [u8; OCTETS] {
        let flags =
            [(self.poll, POLL), (self.final_, FINAL), (self.independent, INDEPENDENT), (self.demand, DEMAND)];
        let flags = flags.iter().filter(|(set, _)| *set).fold(0, |flags, (_, flag)| flags | flag);
        let mut octets = [0; OCTETS];
        let (head, words) = octets.split_at_mut(4);
        head.copy_from_slice(&[
            VERSION << 5 | self.diagnostic & 0x1f,
            self.state.bits() << 6 | flags,
            self.multiplier,
            OCTETS as u8,
        ]);
        let values = [
            self.my_discriminator,
            self.your_discriminator,
            self.desired_min_tx.0,
            self.required_min_rx.0,
            self.required_min_echo_rx.0,
        ];
        for (word, value) in words.as_chunks_mut::<4>().0.iter_mut().zip(values) {
            *word = value.to_be_bytes();
        }
        octets
    }
}

impl State {
    fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }

    fn bits(self) -> u8 {
        match self {
            Self::AdminDown => 0,
            Self::Down => 1,
            Self::Init => 2,
            Self::Up => 3,
        }
    }
}

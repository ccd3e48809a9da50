//! Which router, and what it can do.

use std::fmt;

/// Whose router, in Debian 12's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// BIRD 2.0.12, package `bird2`.
    Bird,
    /// FRRouting 8.4.4 (zebra and bgpd), package `frr`.
    Frr,
    /// GoBGP 3.10, package `gobgpd`.
    Gobgp,
    /// OpenBGPD 7.7, package `openbgpd`.
    OpenBgpd,
    /// ExaBGP 4.2.21, package `exabgp`: it says what it is told to say, and chooses no paths.
    ExaBgp,
}

/// What not every router can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// Keeps a restarting neighbour's routes (RFC 4724 §4.2).
    KeepsRoutes,
    /// Restarts so that neighbours keep its own (RFC 4724 §4.1).
    RestartsGracefully,
    /// RFC 9494.
    LongLived,
    /// RFC 4456, as the reflector.
    Reflects,
    /// RFC 7911, taking several paths.
    AddPathReceive,
    /// RFC 7911, telling several paths.
    AddPathSend,
    /// RFC 7313.
    EnhancedRefresh,
    /// RFC 8950.
    ExtendedNextHop,
    /// Peers by interface.
    Unnumbered,
    /// RFC 8654.
    ExtendedMessages,
    /// RFC 9234.
    Roles,
    /// RFC 5082.
    Security,
    /// RFC 5880, tied to sessions.
    Bfd,
    /// Shows the words of RFC 9003 that a neighbour sends.
    ShowsShutdownWords,
    /// Says words of RFC 9003.
    SaysShutdownWords,
    /// Sends attributes that nobody knows.
    UnknownAttributes,
}

impl Kind {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Bird, Self::Frr, Self::Gobgp, Self::OpenBgpd, Self::ExaBgp];

    /// Those that can do this.
    pub fn with(feature: Feature) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |kind| kind.supports(feature))
    }

    /// Whether Debian's version of it can do this, and this lab can ask it to.
    #[must_use]
    pub fn supports(self, feature: Feature) -> bool {
        use Kind::{Bird, ExaBgp, Frr, Gobgp, OpenBgpd};
        let able: &[Self] = match feature {
            Feature::KeepsRoutes => &[Bird, Frr, Gobgp, OpenBgpd],
            Feature::RestartsGracefully | Feature::LongLived | Feature::ExtendedNextHop => {
                &[Bird, Frr, Gobgp]
            }
            Feature::Reflects => &[Bird, Frr, Gobgp, OpenBgpd],
            Feature::AddPathReceive | Feature::AddPathSend => &[Bird, Frr, Gobgp, OpenBgpd, ExaBgp],
            Feature::EnhancedRefresh => &[Bird, Frr, OpenBgpd, ExaBgp],
            Feature::Unnumbered => &[Frr, Gobgp],
            Feature::ExtendedMessages => &[Bird, Frr, ExaBgp],
            Feature::Roles => &[Bird, Frr, OpenBgpd],
            Feature::Security => &[Bird, Frr, Gobgp, OpenBgpd],
            Feature::Bfd => &[Bird, Frr],
            Feature::ShowsShutdownWords => &[Bird, Frr, OpenBgpd],
            Feature::SaysShutdownWords => &[Bird, Frr, Gobgp, OpenBgpd],
            Feature::UnknownAttributes => &[ExaBgp],
        };
        able.contains(&self)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bird => "bird",
            Self::Frr => "frr",
            Self::Gobgp => "gobgp",
            Self::OpenBgpd => "openbgpd",
            Self::ExaBgp => "exabgp",
        })
    }
}

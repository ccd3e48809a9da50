//! How resources are named, and what people may call their kinds.

use std::fmt;

/// What kinds of resources there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `v1` Node.
    Node,
    /// `v1` Namespace.
    Namespace,
    /// `v1` Pod.
    Pod,
    /// `networking.k8s.io/v1` NetworkPolicy.
    NetworkPolicy,
    /// `coordination.k8s.io/v1` Lease.
    Lease,
    /// `fabric.rs/v1` IPPool.
    IpPool,
    /// `fabric.rs/v1` IPReservation.
    IpReservation,
    /// `fabric.rs/v1` IPAMConfiguration.
    IpamConfiguration,
    /// `fabric.rs/v1` IPAMBlock.
    IpamBlock,
    /// `fabric.rs/v1` BlockAffinity.
    BlockAffinity,
    /// `fabric.rs/v1` IPAMHandle.
    IpamHandle,
    /// `fabric.rs/v1` WorkloadEndpoint.
    WorkloadEndpoint,
}

/// The API group and version of our own kinds.
pub const FABRIC_V1: &str = "fabric.rs/v1";

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Node,
        Self::Namespace,
        Self::Pod,
        Self::NetworkPolicy,
        Self::Lease,
        Self::IpPool,
        Self::IpReservation,
        Self::IpamConfiguration,
        Self::IpamBlock,
        Self::BlockAffinity,
        Self::IpamHandle,
        Self::WorkloadEndpoint,
    ];

    /// As `kind:` of a manifest says it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Node => "Node",
            Self::Namespace => "Namespace",
            Self::Pod => "Pod",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::Lease => "Lease",
            Self::IpPool => "IPPool",
            Self::IpReservation => "IPReservation",
            Self::IpamConfiguration => "IPAMConfiguration",
            Self::IpamBlock => "IPAMBlock",
            Self::BlockAffinity => "BlockAffinity",
            Self::IpamHandle => "IPAMHandle",
            Self::WorkloadEndpoint => "WorkloadEndpoint",
        }
    }

    /// As `apiVersion:` of a manifest says it.
    #[must_use]
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::Node | Self::Namespace | Self::Pod => "v1",
            Self::NetworkPolicy => "networking.k8s.io/v1",
            Self::Lease => "coordination.k8s.io/v1",
            Self::IpPool
            | Self::IpReservation
            | Self::IpamConfiguration
            | Self::IpamBlock
            | Self::BlockAffinity
            | Self::IpamHandle
            | Self::WorkloadEndpoint => FABRIC_V1,
        }
    }

    /// Whether its resources live in a Kubernetes namespace.
    #[must_use]
    pub const fn is_namespaced(self) -> bool {
        match self {
            Self::Pod | Self::NetworkPolicy | Self::Lease | Self::WorkloadEndpoint => true,
            Self::Node
            | Self::Namespace
            | Self::IpPool
            | Self::IpReservation
            | Self::IpamConfiguration
            | Self::IpamBlock
            | Self::BlockAffinity
            | Self::IpamHandle => false,
        }
    }

    /// Lower-case names that people may use beside [`Kind::name`]: the plural first, then short ones.
    #[must_use]
    pub const fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::Node => &["nodes", "no"],
            Self::Namespace => &["namespaces", "ns"],
            Self::Pod => &["pods", "po"],
            Self::NetworkPolicy => &["networkpolicies", "netpol", "netpols"],
            Self::Lease => &["leases"],
            Self::IpPool => &["ippools", "pool", "pools"],
            Self::IpReservation => &["ipreservations", "reservation", "reservations"],
            Self::IpamConfiguration => &["ipamconfigurations", "ipamconfig"],
            Self::IpamBlock => &["ipamblocks", "block", "blocks"],
            Self::BlockAffinity => &["blockaffinities", "affinity", "affinities"],
            Self::IpamHandle => &["ipamhandles", "handle", "handles"],
            Self::WorkloadEndpoint => &["workloadendpoints", "wep", "weps"],
        }
    }

    /// Understands the kind, its plural and its short names, in any case.
    ///
    /// # Errors
    /// If it is none of them; the message names the nearest, and all that there are.
    pub fn parse(text: &str) -> Result<Self, UnknownKind> {
        let wanted = text.to_ascii_lowercase();
        let matches = |kind: &Self| {
            kind.name().eq_ignore_ascii_case(&wanted) || kind.aliases().contains(&wanted.as_str())
        };
        Self::ALL.into_iter().find(matches).ok_or_else(|| UnknownKind { asked: text.to_owned() })
    }

    /// The kind whose `kind:` is exactly this.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A word that names no kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKind {
    /// The word.
    pub asked: String,
}

impl fmt::Display for UnknownKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = self.asked.to_ascii_lowercase();
        let names = Kind::ALL.iter().flat_map(|kind| kind.aliases().iter().copied());
        write!(formatter, "there is no kind \"{}\"; ", self.asked)?;
        if let Some(near) = crate::spelling::nearest(&asked, names) {
            write!(formatter, "did you mean \"{near}\"? ")?;
        }
        let plurals: Vec<&str> =
            Kind::ALL.iter().filter_map(|kind| kind.aliases().first().copied()).collect();
        write!(formatter, "known are {}", plurals.join(", "))
    }
}

impl std::error::Error for UnknownKind {}

/// Name of a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its kind.
    pub kind: Kind,
    /// Empty for kinds that have no namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Key {
    /// The key of a resource of a namespace.
    #[must_use]
    pub fn namespaced(kind: Kind, namespace: &str, name: &str) -> Self {
        Self { kind, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// The key of a resource that has no namespace.
    #[must_use]
    pub fn global(kind: Kind, name: &str) -> Self {
        Self { kind, namespace: String::new(), name: name.to_owned() }
    }
}

/// `NetworkPolicy shop/allow-frontend`, `IPPool default`.
impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, namespace, name } = self;
        if namespace.is_empty() {
            write!(formatter, "{kind} {name}")
        } else {
            write!(formatter, "{kind} {namespace}/{name}")
        }
    }
}

impl From<&ipam::Key> for Key {
    fn from(key: &ipam::Key) -> Self {
        let kind = match key {
            ipam::Key::Block(_) => Kind::IpamBlock,
            ipam::Key::Affinity(..) => Kind::BlockAffinity,
            ipam::Key::Handle(_) => Kind::IpamHandle,
        };
        Self { kind, namespace: String::new(), name: key.name() }
    }
}

#[cfg(test)]
mod tests;

//! How resources are named, and what people may call their kinds.

use std::fmt;

/// What kinds of resources there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `v1` Node.
    Node,
    /// `v1` Namespace.
    Namespace,
    /// `v1` ServiceAccount.
    ServiceAccount,
    /// `v1` Pod.
    Pod,
    /// `discovery.k8s.io/v1` EndpointSlice.
    EndpointSlice,
    /// `networking.k8s.io/v1` NetworkPolicy.
    NetworkPolicy,
    /// `policy.networking.k8s.io/v1alpha2` ClusterNetworkPolicy.
    ClusterNetworkPolicy,
    /// `coordination.k8s.io/v1` Lease.
    Lease,
    /// `fabric.rs/v1` Tier.
    Tier,
    /// `fabric.rs/v1` NetworkPolicy.
    FabricNetworkPolicy,
    /// `fabric.rs/v1` GlobalNetworkPolicy.
    GlobalNetworkPolicy,
    /// `fabric.rs/v1` StagedNetworkPolicy.
    StagedNetworkPolicy,
    /// `fabric.rs/v1` StagedGlobalNetworkPolicy.
    StagedGlobalNetworkPolicy,
    /// `fabric.rs/v1` StagedKubernetesNetworkPolicy.
    StagedKubernetesNetworkPolicy,
    /// `fabric.rs/v1` NetworkSet.
    NetworkSet,
    /// `fabric.rs/v1` GlobalNetworkSet.
    GlobalNetworkSet,
    /// `fabric.rs/v1` HostEndpoint.
    HostEndpoint,
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
    /// `fabric.rs/v1` PolicyStatus.
    PolicyStatus,
}

/// The API group and version of our own kinds.
pub const FABRIC_V1: &str = policy::api::own::API_VERSION;

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 25] = [
        Self::Node,
        Self::Namespace,
        Self::ServiceAccount,
        Self::Pod,
        Self::EndpointSlice,
        Self::NetworkPolicy,
        Self::ClusterNetworkPolicy,
        Self::Lease,
        Self::Tier,
        Self::FabricNetworkPolicy,
        Self::GlobalNetworkPolicy,
        Self::StagedNetworkPolicy,
        Self::StagedGlobalNetworkPolicy,
        Self::StagedKubernetesNetworkPolicy,
        Self::NetworkSet,
        Self::GlobalNetworkSet,
        Self::HostEndpoint,
        Self::IpPool,
        Self::IpReservation,
        Self::IpamConfiguration,
        Self::IpamBlock,
        Self::BlockAffinity,
        Self::IpamHandle,
        Self::WorkloadEndpoint,
        Self::PolicyStatus,
    ];

    /// What it is called here: as `kind:` of a manifest says it, but for our NetworkPolicy, as that of Kubernetes is
    /// called so. No two kinds have one name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Node => "Node",
            Self::Namespace => "Namespace",
            Self::ServiceAccount => "ServiceAccount",
            Self::Pod => "Pod",
            Self::EndpointSlice => "EndpointSlice",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::ClusterNetworkPolicy => "ClusterNetworkPolicy",
            Self::Lease => "Lease",
            Self::Tier => "Tier",
            Self::FabricNetworkPolicy => "FabricNetworkPolicy",
            Self::GlobalNetworkPolicy => "GlobalNetworkPolicy",
            Self::StagedNetworkPolicy => "StagedNetworkPolicy",
            Self::StagedGlobalNetworkPolicy => "StagedGlobalNetworkPolicy",
            Self::StagedKubernetesNetworkPolicy => "StagedKubernetesNetworkPolicy",
            Self::NetworkSet => "NetworkSet",
            Self::GlobalNetworkSet => "GlobalNetworkSet",
            Self::HostEndpoint => "HostEndpoint",
            Self::IpPool => "IPPool",
            Self::IpReservation => "IPReservation",
            Self::IpamConfiguration => "IPAMConfiguration",
            Self::IpamBlock => "IPAMBlock",
            Self::BlockAffinity => "BlockAffinity",
            Self::IpamHandle => "IPAMHandle",
            Self::WorkloadEndpoint => "WorkloadEndpoint",
            Self::PolicyStatus => "PolicyStatus",
        }
    }

    /// As `kind:` of a manifest says it.
    #[must_use]
    pub const fn manifest_name(self) -> &'static str {
        if matches!(self, Self::FabricNetworkPolicy) { Self::NetworkPolicy.name() } else { self.name() }
    }

    /// As `apiVersion:` of a manifest says it.
    #[must_use]
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::Node | Self::Namespace | Self::ServiceAccount | Self::Pod => "v1",
            Self::EndpointSlice => "discovery.k8s.io/v1",
            Self::NetworkPolicy => "networking.k8s.io/v1",
            Self::ClusterNetworkPolicy => policy::api::cluster::API_VERSION,
            Self::Lease => "coordination.k8s.io/v1",
            Self::Tier
            | Self::FabricNetworkPolicy
            | Self::GlobalNetworkPolicy
            | Self::StagedNetworkPolicy
            | Self::StagedGlobalNetworkPolicy
            | Self::StagedKubernetesNetworkPolicy
            | Self::NetworkSet
            | Self::GlobalNetworkSet
            | Self::HostEndpoint
            | Self::IpPool
            | Self::IpReservation
            | Self::IpamConfiguration
            | Self::IpamBlock
            | Self::BlockAffinity
            | Self::IpamHandle
            | Self::WorkloadEndpoint
            | Self::PolicyStatus => FABRIC_V1,
        }
    }

    /// Whether its resources live in a Kubernetes namespace.
    #[must_use]
    pub const fn is_namespaced(self) -> bool {
        match self {
            Self::ServiceAccount
            | Self::Pod
            | Self::EndpointSlice
            | Self::NetworkPolicy
            | Self::Lease
            | Self::FabricNetworkPolicy
            | Self::StagedNetworkPolicy
            | Self::StagedKubernetesNetworkPolicy
            | Self::NetworkSet
            | Self::WorkloadEndpoint => true,
            Self::Node
            | Self::Namespace
            | Self::ClusterNetworkPolicy
            | Self::Tier
            | Self::GlobalNetworkPolicy
            | Self::StagedGlobalNetworkPolicy
            | Self::GlobalNetworkSet
            | Self::HostEndpoint
            | Self::IpPool
            | Self::IpReservation
            | Self::IpamConfiguration
            | Self::IpamBlock
            | Self::BlockAffinity
            | Self::IpamHandle
            | Self::PolicyStatus => false,
        }
    }

    /// Lower-case names that people may use beside [`Kind::name`]: the plural first, then short ones.
    #[must_use]
    pub const fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::Node => &["nodes", "no"],
            Self::Namespace => &["namespaces", "ns"],
            Self::ServiceAccount => &["serviceaccounts", "sa"],
            Self::Pod => &["pods", "po"],
            Self::EndpointSlice => &["endpointslices"],
            Self::NetworkPolicy => &["networkpolicies", "netpol", "netpols"],
            Self::ClusterNetworkPolicy => &["clusternetworkpolicies", "cnp", "cnps"],
            Self::Lease => &["leases"],
            Self::Tier => &["tiers"],
            Self::FabricNetworkPolicy => {
                &["networkpolicies.fabric.rs", "fabricnetworkpolicies", "fnp", "fnps"]
            }
            Self::GlobalNetworkPolicy => &["globalnetworkpolicies", "gnp", "gnps"],
            Self::StagedNetworkPolicy => &["stagednetworkpolicies", "snp", "snps"],
            Self::StagedGlobalNetworkPolicy => &["stagedglobalnetworkpolicies", "sgnp", "sgnps"],
            Self::StagedKubernetesNetworkPolicy => &["stagedkubernetesnetworkpolicies", "sknp", "sknps"],
            Self::NetworkSet => &["networksets", "netset", "netsets"],
            Self::GlobalNetworkSet => &["globalnetworksets", "gnetset", "gnetsets"],
            Self::HostEndpoint => &["hostendpoints", "hep", "heps"],
            Self::IpPool => &["ippools", "pool", "pools"],
            Self::IpReservation => &["ipreservations", "reservation", "reservations"],
            Self::IpamConfiguration => &["ipamconfigurations", "ipamconfig"],
            Self::IpamBlock => &["ipamblocks", "block", "blocks"],
            Self::BlockAffinity => &["blockaffinities", "affinity", "affinities"],
            Self::IpamHandle => &["ipamhandles", "handle", "handles"],
            Self::WorkloadEndpoint => &["workloadendpoints", "wep", "weps"],
            Self::PolicyStatus => &["policystatuses"],
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

    /// The kind whose [`Kind::name`] is exactly this.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind whose `kind:` in a manifest is exactly this; of two that are called so, that of the `apiVersion:`, or
    /// that of Kubernetes.
    #[must_use]
    pub fn from_manifest(api_version: Option<&str>, name: &str) -> Option<Self> {
        let mut named = Self::ALL.into_iter().filter(|kind| kind.manifest_name() == name);
        let of_version = named.clone().find(|kind| Some(kind.api_version()) == api_version);
        of_version.or_else(|| named.next())
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

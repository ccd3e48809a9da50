//! How this node enforces policy. What the policies are is in the datastore.

use serde::Deserialize;

use crate::dataplane::nftables::Options;
use crate::dataplane::nftables::lower::Logging;
use crate::dataplane::nftables::mark::MarkLayout;
use crate::dataplane::nftables::table::Limit;

/// How this node enforces policy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Policy {
    /// The lowest of the 24 bits of a connection's mark in which the agent remembers what has been judged. Whoever else uses
    /// the mark has the others.
    pub connection_mark_shift: u8,
    /// Packets of pods that connection tracking does not understand are dropped. Not where the packets of one connection
    /// take different ways.
    pub drop_invalid: bool,
    /// TCP connections of pods that begin without a SYN are dropped. Not where pods move here with their connections.
    pub require_syn: bool,
    /// Who is told of packets, by NFLOG.
    pub log: PolicyLog,
}

/// Who is told of packets, by NFLOG.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PolicyLog {
    /// The group that rules with the action Log tell.
    pub group: u16,
    /// The group that is told of denied packets.
    pub deny_group: u16,
    /// Bytes of each packet that are shown.
    pub snap_length: u32,
    /// How many denied packets a second each rule tells of in the long run.
    pub deny_rate: u32,
    /// How many at once beyond that.
    pub deny_burst: u32,
}

impl Default for Policy {
    fn default() -> Self {
        let Options { drop_invalid, require_syn, .. } = Options::default();
        Self { connection_mark_shift: 0, drop_invalid, require_syn, log: PolicyLog::default() }
    }
}

impl Default for PolicyLog {
    fn default() -> Self {
        let Logging { group, deny_group, snaplen, deny_limit } = Options::default().logging;
        Self {
            group,
            deny_group,
            snap_length: snaplen,
            deny_rate: deny_limit.per_second,
            deny_burst: deny_limit.burst,
        }
    }
}

impl Policy {
    /// The same for those who write the rules.
    #[must_use]
    pub fn options(&self) -> Options {
        let PolicyLog { group, deny_group, snap_length, deny_rate, deny_burst } = self.log;
        Options {
            // Checked when it was read.
            mark: MarkLayout::new(self.connection_mark_shift).unwrap_or_default(),
            drop_invalid: self.drop_invalid,
            require_syn: self.require_syn,
            logging: Logging {
                group,
                deny_group,
                snaplen: snap_length,
                deny_limit: Limit { per_second: deny_rate, burst: deny_burst },
            },
            ..Options::default()
        }
    }
}

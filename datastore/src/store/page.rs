//! What is asked of a store when a kind is listed, and what it answers.

use std::collections::BTreeMap;
use std::fmt;

use crate::key::Key;
use crate::resource::Resource;
use crate::store::{Revision, Unreadable, Versioned};

/// Which resources of a kind are asked for, and how many at once. The default: all of them at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// Those of this Kubernetes namespace only.
    pub namespace: Option<String>,
    /// Those that have all of these [labels](Resource::labels) only.
    pub labels: BTreeMap<String, String>,
    /// At most so many; 0 is no limit.
    pub limit: Option<u32>,
    /// Those after the page that ended with this.
    pub after: Option<Continue>,
}

impl Query {
    /// Whether it selects this resource, as far as labels and namespace go.
    #[must_use]
    pub fn selects(&self, resource: &Resource) -> bool {
        if self.namespace.as_ref().is_some_and(|namespace| *namespace != resource.key().namespace) {
            return false;
        }
        if self.labels.is_empty() {
            return true;
        }
        let labels = resource.labels();
        self.labels.iter().all(|(key, value)| labels.get(key.as_str()) == Some(&value.as_str()))
    }

    /// The limit, if there is one.
    #[must_use]
    pub fn limit(&self) -> Option<usize> {
        self.limit.filter(|limit| *limit > 0).map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
    }
}

/// Where a listing goes on. Only the backend that gave it knows what it says; it stays good while things are written
/// and after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Continue(String);

impl Continue {
    /// From the text of another.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Continue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Some resources of a kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The moment at which this page was read, or an earlier one.
    pub revision: Revision,
    /// The resources. Pages follow one another in an order of the backend's.
    pub items: BTreeMap<Key, Versioned>,
    /// Those that cannot be understood. Whether a query would select them by their labels is not known.
    pub unreadable: Unreadable,
    /// Where to go on; `None` if this is the end.
    pub next: Option<Continue>,
}

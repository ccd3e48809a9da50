//! Typed resources and one trait over them, with one contract test for every backend.
//!
//! A backend holds a map from [`Key`] to [`Resource`], where every write gets the next [`Revision`] of the whole
//! store. Writers compare and swap; readers list once and then watch from the revision of the listing. A watcher is
//! told what *is*, never what happened: `(Key, Option<Versioned>)`, so that coalesced or repeated changes do no
//! harm.
//!
//! - [`resource`]: what there is, and its form as a manifest, which is also its form in every backend;
//! - [`key`]: how it is named, and what people may call its kind;
//! - [`store`]: the trait;
//! - [`error`]: errors, named by what the caller must do;
//! - [`document`]: YAML and JSON read into types without losing where each value stands;
//! - [`manifest`]: text that people wrote → resources, or every problem with its line and column;
//! - [`spelling`]: what an unknown word was probably meant to be;
//! - [`kubernetes`]: the backend that is a Kubernetes API server;
//! - [`sqlite`]: the backend that is a file, shared by all agents of one machine;
//! - [`archive`]: a store's content as text, for backups and other backends;
//! - [`lease`]: electing a leader on any backend;
//! - [`etcd`]: the backend that is etcd, shared by all agents of several machines;
//! - `contract` (feature of the same name): what every backend must pass.
//!
//! Deliberately absent: what resources mean. Planning addresses is `ipam`'s, compiling policies `policy`'s.

pub mod archive;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod document;
pub mod error;
pub mod etcd;
pub mod key;
pub mod kubernetes;
pub mod lease;
pub mod manifest;
pub mod resource;
pub mod spelling;
pub mod sqlite;
pub mod store;

pub use error::Error;
pub use etcd::EtcdStore;
pub use key::{Key, Kind};
pub use kubernetes::KubernetesStore;
pub use resource::{PolicyStatus, Resource, WorkloadEndpoint};
pub use sqlite::SqliteStore;
pub use store::{
    ATOMIC_WRITES, Change, CommitError, Continue, Listing, Page, Precondition, Query, Revision, Store,
    Unreadable, Versioned, Write,
};

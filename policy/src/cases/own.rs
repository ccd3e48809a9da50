//! Tiers and policies of `fabric.rs/v1`, which mean what those of `projectcalico.org/v3` mean.
//!
//! - `tiers`: order, ends, types, and how policies of all kinds come together;
//! - `rules`: actions, protocols, ICMP, networks, ports;
//! - `entities`: selectors, namespaces, network sets, service accounts, services;
//! - `broken`: what cannot be used.

mod broken;
mod entities;
mod rules;
mod tiers;

const OUTSIDE: &str = "192.0.2.1";

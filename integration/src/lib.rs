//! Whole fabrics on one machine: nodes on the real kernel, routers that we did not write, pods, and the demo.
//!
//! A [`lab::Lab`] owns what it makes and removes it again, even after a crash. In it stand [`namespace`]s joined by
//! [`link`]s; [`process`]es run there: [`router`]s as Debian packages them, and those that are the top of a rack
//! ([`tor`]), an [`etcd`], nodes ([`node`]: a `felix-agent` each) and [`pod`]s, attached the way a container runtime
//! does it. [`topology`] puts them together, [`fleet`] those that have only a datastore in common; [`speaker`] is our BGP
//! without a node around it. [`probe`] counts what gets through, [`kernel`] tells what the kernel really has,
//! [`eventually`] waits for what takes time, and [`demo`] shows it all to a person, checking every claim. What tests do at
//! random comes from [`random`], by a seed; [`measure`] is what benches share.
//!
//! Nothing is mocked. All traffic stays inside the lab's namespaces; the namespace that this runs in is never changed.
//! Errors are `anyhow`'s throughout: whoever drives a lab can only stop and show them, so they say what was being tried.
//!
//! Deliberately absent: knowledge of how the crates under test work inside. The lab starts their programs and speaks
//! their published interfaces.

pub mod lab;
pub mod namespace;

pub mod kernel;
pub mod link;
pub mod process;
pub mod programs;

pub mod eventually;
pub mod probe;

pub mod etcd;
pub mod router;
pub mod speaker;
pub mod tor;

pub mod mrt;
pub mod random;

pub mod fleet;
pub mod node;
pub mod pod;
pub mod topology;

pub mod measure;

pub mod demo;

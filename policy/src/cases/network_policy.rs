//! `networking.k8s.io/v1` NetworkPolicy, by the rows of its table.
//!
//! | rows | what | where |
//! |---|---|---|
//! | 1–8, 48 | who is isolated, in which direction | `isolation` |
//! | 9, 14–23, 29, 37–39, 47, 50, 51 | who is a peer | `peers` |
//! | 10–13, 24–28, 30–32 | protocols and ports | `ports` |
//! | 33–36, 40–46, 49 | pods and objects as they come, change and go | `pods` |
//!
//! What a row says of the kernel is shown with the agent, on real packets: its own node always gets in (35), what is
//! established is cut or kept (40, 41), a new pod is closed first (42), the kernel judges before it masquerades and after
//! it translates (34, 50, 51). Here these rows say what the program makes of the packet that the kernel then sees.

mod isolation;
mod peers;
mod pods;
mod ports;

/// Somebody whom nobody knows.
const OUTSIDE: &str = "192.0.2.1";
/// A node: it has no endpoint, and no policy is about it.
const NODE: &str = "172.16.0.1";

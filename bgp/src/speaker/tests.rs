//! Features of the speaker, each between two or three speakers on wires in memory. Convergence at large, loss and delay
//! are for the simulation in `tests/fabric`.

mod configuring;
mod lab;
mod neighbours;
mod operating;
mod restarting;
mod routing;
mod seeing;
mod sessions;

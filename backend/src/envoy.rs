//! Real Envoys: found, started and supervised, given the mesh, and heard.

mod admin;
pub mod binary;
pub mod process;
pub mod worlds;

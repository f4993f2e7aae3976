//! The server over real HTTP, each test with a server and a data folder of its own.

mod control;
mod crash;
mod events;
mod folder;
mod openapi;
mod security;
mod support;

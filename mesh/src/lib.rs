//! The model of a service mesh. Pure: no clock, no network, no randomness, no threads.

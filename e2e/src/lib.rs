//! Journeys through the real thing.

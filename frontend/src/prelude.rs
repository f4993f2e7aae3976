//! What every component needs: Leptos, with [`crate::view`]'s parts in the places of its own.

pub(crate) use leptos::prelude::*;

pub(crate) use crate::view::{For, Show, memo, view};

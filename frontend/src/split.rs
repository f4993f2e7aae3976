//! A split as sliders see it: one row per version, with desired share and lock. Pure.

use mesh::Edit;
use mesh::edit::{RouteTarget, Share};

/// One slider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareView {
    /// Destination and weight (in percent) as the edit writes it.
    pub share: Share,
    /// What to write beside the slider: the version.
    pub version: String,
    /// Position of its colour, for [`crate::topology::version_color`].
    pub color: usize,
    /// A locked share keeps its value when others move.
    pub locked: bool,
}

/// The sliders of one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitView {
    /// What an edit acts on.
    pub target: RouteTarget,
    /// The sliders.
    pub shares: Vec<ShareView>,
    /// The draft differs from the head revision here.
    pub changed: bool,
}

impl SplitView {
    /// The edit that puts one share at a percentage.
    pub fn moved(&self, position: usize, percent: u32) -> Edit {
        let mut shares: Vec<Share> = self.shares.iter().map(|view| view.share.clone()).collect();
        if let Some(share) = shares.get_mut(position) {
            share.weight = percent;
        }
        Edit::SetWeights { target: self.target.clone(), shares }
    }
}

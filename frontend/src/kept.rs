//! What the browser keeps of a person's work: a draft and typed texts, by mesh and base revision, for when the page is loaded
//! again. Pure.

use std::collections::HashSet;

use mesh::Edit;
use serde::{Deserialize, Serialize};

use crate::typed::Texts;

/// How large a record may be, in bytes. Browsers keep about 5 MB of a site.
pub const LARGEST: usize = 2_000_000;

/// How much may be kept for other meshes than the one that is shown, in bytes.
pub const OTHERS: usize = 1_000_000;

/// Begins the names of records in the browser's storage.
pub const PREFIX: &str = "draft:";

/// Which mesh: its name, and when its first revision was made. Another mesh of that name began at another time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeshId {
    /// Name.
    pub name: String,
    /// Milliseconds since 1970.
    pub born: i64,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The mesh.
    pub mesh: MeshId,
    /// The revision that the draft was made on.
    pub base: u64,
    /// When it last changed, in milliseconds since 1970.
    pub at: i64,
    /// The draft.
    pub edits: Vec<Edit>,
    /// Texts that are not in the draft.
    pub texts: Texts,
}

impl Kept {
    /// There is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty() && self.texts.is_empty()
    }

    /// As the browser keeps it; `None` where it is larger than a browser would keep.
    pub fn write(&self) -> Option<String> {
        serde_json::to_string(self).ok().filter(|text| text.len() <= LARGEST)
    }

    /// In words: `2 changes and 1 text`.
    pub fn words(&self) -> String {
        let parts = [(self.edits.len(), "change", "changes"), (self.texts.all().len(), "text", "texts")];
        let parts = parts.into_iter().filter(|(count, ..)| *count > 0);
        parts
            .map(|(count, one, many)| crate::words::plural(count, one, many))
            .collect::<Vec<_>>()
            .join(" and ")
    }
}

/// The name of a tab's record of a mesh.
pub fn name(mesh: &MeshId, tab: &str) -> String {
    format!("{PREFIX}{}:{tab}", mesh.born)
}

/// The tab that a record is of.
pub fn tab(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or_default()
}

/// What is found in the browser's storage when a mesh is shown.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Found {
    /// This tab's own record of this mesh: it comes back by itself.
    pub own: Option<(String, Kept)>,
    /// Records of tabs that are closed, or of an earlier mesh of this name: a person says what becomes of them. The latest first.
    pub offers: Vec<(String, Kept)>,
    /// Records that must go, since others of other meshes are later and there is no room for all.
    pub dropped: Vec<(String, Kept)>,
    /// Names of records that cannot be read: by an earlier version of this page, or damaged.
    pub unread: Vec<String>,
}

/// Sorts out what the browser kept. `open` are the tabs that are open beside this one: what they work on is theirs.
pub fn sort_out(records: Vec<(String, String)>, mesh: &MeshId, own: &str, open: &HashSet<String>) -> Found {
    let mut found = Found::default();
    let mut others = Vec::new();
    for (name, text) in records {
        let Ok(kept) = serde_json::from_str::<Kept>(&text) else {
            found.unread.push(name);
            continue;
        };
        if open.contains(tab(&name)) {
            continue;
        }
        if kept.mesh == *mesh && tab(&name) == own {
            found.own = Some((name, kept));
        } else if kept.mesh.name == mesh.name {
            found.offers.push((name, kept));
        } else {
            others.push((text.len(), name, kept));
        }
    }
    found.offers.sort_by_key(|(_, kept)| -kept.at);
    others.sort_by_key(|(_, _, kept)| -kept.at);
    let mut room = OTHERS;
    for (size, name, kept) in others {
        match room.checked_sub(size) {
            Some(rest) => room = rest,
            None => found.dropped.push((name, kept)),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use mesh::edit::RouteTarget;

    use super::*;

    fn mesh(name: &str, born: i64) -> MeshId {
        MeshId { name: name.into(), born }
    }

    fn kept(mesh: MeshId, at: i64) -> Kept {
        let edit = Edit::SetTimeout { target: RouteTarget::Service("a".into()), millis: Some(1) };
        Kept { mesh, base: 3, at, edits: vec![edit], texts: Texts::default() }
    }

    fn record(mesh: MeshId, at: i64, tab: &str) -> (String, String) {
        let kept = kept(mesh.clone(), at);
        (name(&mesh, tab), kept.write().unwrap())
    }

    #[test]
    fn what_was_kept_comes_back_to_whom_it_belongs() {
        let shop = mesh("shop", 7);
        let records = vec![
            record(shop.clone(), 1, "me"),
            record(shop.clone(), 2, "open"),
            record(shop.clone(), 3, "closed"),
            // The data folder was deleted since.
            record(mesh("shop", 1), 4, "me"),
            record(mesh("bank", 1), 5, "me"),
            ("draft:7:damaged".to_owned(), "{".to_owned()),
        ];
        let found = sort_out(records, &shop, "me", &HashSet::from(["open".to_owned()]));
        assert_eq!(found.own, Some(("draft:7:me".to_owned(), kept(shop.clone(), 1))));
        let offered: Vec<_> = found.offers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(offered, ["draft:1:me", "draft:7:closed"]);
        assert_eq!(found.unread, ["draft:7:damaged"]);
        assert_eq!(found.dropped, []);
    }

    #[test]
    fn what_other_meshes_left_is_bounded() {
        let large = |at: i64, tab: &str| {
            let mut kept = kept(mesh("bank", 1), at);
            let text = "x".repeat(OTHERS * 2 / 5);
            kept.edits = vec![Edit::SetFiles { files: vec![("a.yaml".into(), Some(text))] }];
            (name(&kept.mesh, tab), kept.write().unwrap())
        };
        let records = vec![large(1, "a"), large(3, "b"), large(2, "c")];
        let found = sort_out(records, &mesh("shop", 7), "me", &HashSet::new());
        let dropped: Vec<_> = found.dropped.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(dropped, ["draft:1:a"]);
    }

    #[test]
    fn a_record_that_no_browser_would_keep_is_not_written() {
        let mut kept = kept(mesh("shop", 1), 1);
        kept.edits = vec![Edit::SetFiles { files: vec![("a.yaml".into(), Some("x".repeat(LARGEST)))] }];
        assert_eq!(kept.write(), None);
        assert_eq!(kept.words(), "1 change");
    }
}

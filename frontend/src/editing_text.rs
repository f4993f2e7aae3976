//! A resource's text while a person edits it: what it would do to the mesh, and what is to be said about it. Pure.

use std::sync::Arc;

use mesh::edit;
use mesh::{Diagnostic, Edit, ResourceKey, Settings, Sources};

use crate::reading::Reading;

/// A resource's document within a mesh.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Excerpt {
    /// Its file.
    pub file: String,
    /// The line of the file that its text starts in, from 1.
    pub line: usize,
    /// Its text, without the empty lines around it.
    pub text: String,
}

/// The document of a resource.
pub fn excerpt(reading: &Reading, key: &ResourceKey) -> Option<Excerpt> {
    let document = reading.analysis.mesh.document(key)?;
    let text = document.text();
    let body = text.trim_start_matches(['\n', '\r']);
    let skipped = text.len() - body.len();
    let line = document.place_of(0).line + text[..skipped].matches('\n').count();
    Some(Excerpt { file: document.file().to_owned(), line, text: format!("{}\n", body.trim_end()) })
}

/// What is to be said about a resource if its text were this. Lines count from the first of the text.
pub fn check(reading: &Reading, key: &ResourceKey, text: &str, settings: &Settings) -> Vec<Diagnostic> {
    let replace = Edit::ReplaceResource { key: key.clone(), yaml: text.to_owned() };
    let Some(before) = excerpt(reading, key) else { return Vec::new() };
    let next = match edit::apply_to(&reading.analysis.mesh, &reading.analysis.sources, &[replace]) {
        Ok(applied) => Reading::of(Arc::new(applied.sources), settings, Some(reading)),
        // Text that cannot even be put in place is read alone, which says why.
        Err(_) => Reading::of(Arc::new(Sources::single(&*before.file, text)), settings, None),
    };
    let first = excerpt(&next, key).map_or(before.line, |after| after.line);
    let last = first + text.lines().count();
    let here = next.diagnostics.into_iter().filter_map(|mut one| {
        let about = one.resource.as_ref() == Some(key);
        match &mut one.place {
            Some(place) if place.file == before.file && (first..=last).contains(&place.line) => {
                place.line -= first - 1;
                Some(one)
            }
            Some(_) => None,
            None => about.then_some(one),
        }
    });
    here.collect()
}

/// What is to be said about a file if its text were this.
pub fn check_file(reading: &Reading, file: &str, text: &str, settings: &Settings) -> Vec<Diagnostic> {
    let mut sources = (*reading.analysis.sources).clone();
    sources.0.insert(file.to_owned(), text.to_owned());
    let next = Reading::of(Arc::new(sources), settings, Some(reading));
    let here = |one: &Diagnostic| one.place.as_ref().is_some_and(|place| place.file == file);
    next.diagnostics.into_iter().filter(here).collect()
}

#[cfg(test)]
mod tests {
    use mesh::{Kind, Severity};

    use super::*;
    use crate::fixture::bookinfo;

    #[test]
    fn an_excerpt_knows_its_line() {
        let reading = bookinfo("");
        let key = ResourceKey::new(Kind::DestinationRule, "default", "reviews");
        let excerpt = excerpt(&reading, &key).unwrap();
        assert!(excerpt.text.starts_with("apiVersion: networking.istio.io/v1\nkind: DestinationRule"));
        let line = reading.analysis.sources.0["reviews.yaml"].lines().nth(excerpt.line).unwrap();
        assert_eq!(line, "kind: DestinationRule");
    }

    #[test]
    fn findings_are_at_lines_of_the_text() {
        let reading = bookinfo("");
        let key = ResourceKey::new(Kind::VirtualService, "default", "reviews");
        let before = excerpt(&reading, &key).unwrap().text;
        assert!(check(&reading, &key, &before, &Settings::default()).is_empty());
        let text = before.replace("subset: v3", "subset: v9");
        let line = text.lines().position(|line| line.contains("v9")).unwrap() + 1;
        let found = check(&reading, &key, &text, &Settings::default());
        let error = found.iter().find(|one| one.severity == Severity::Error).expect("an unknown subset");
        assert_eq!(error.place.as_ref().map(|place| place.line), Some(line));
    }

    #[test]
    fn text_that_cannot_be_read_says_so() {
        let reading = bookinfo("");
        let key = ResourceKey::new(Kind::VirtualService, "default", "reviews");
        let found = check(&reading, &key, "apiVersion: [\nkind", &Settings::default());
        assert!(found.iter().any(|one| one.severity == Severity::Error), "{found:?}");
    }
}

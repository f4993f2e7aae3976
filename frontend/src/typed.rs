//! Texts that were typed and not yet put into the draft: by resource or file, whatever is shown meanwhile. Pure.

use mesh::{Edit, ResourceKey, Sources, diff};
use serde::{Deserialize, Serialize};

use crate::editing_text::excerpt;
use crate::reading::Reading;

/// What a text is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The document of a resource.
    Resource(ResourceKey),
    /// A whole file.
    File(String),
}

impl Subject {
    /// Its name for people.
    pub fn name(&self) -> String {
        match self {
            Self::Resource(key) => format!("{} {}", key.kind, key.name),
            Self::File(file) => file.clone(),
        }
    }

    /// Its text in a mesh; `None` where it is not there.
    pub fn text(&self, reading: &Reading) -> Option<String> {
        match self {
            Self::Resource(key) => excerpt(reading, key).map(|excerpt| excerpt.text),
            Self::File(file) => reading.analysis.sources.0.get(file).cloned(),
        }
    }
}

/// One text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typed {
    /// What it is of.
    pub of: Subject,
    /// Its file, for a resource that may go.
    pub file: String,
    /// The text that it was made from.
    pub from: String,
    /// The text.
    pub text: String,
    /// The mesh has another text by now, and the two do not fit together.
    #[serde(default)]
    pub conflict: bool,
}

/// All of them, in the order in which they were begun.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Texts(Vec<Typed>);

impl Texts {
    /// None.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All.
    pub fn all(&self) -> &[Typed] {
        &self.0
    }

    /// The text of a resource or file, where one was typed.
    pub fn get(&self, of: &Subject) -> Option<&Typed> {
        self.0.iter().find(|typed| typed.of == *of)
    }

    /// Somebody types. A text like the mesh's is none.
    pub fn type_in(&mut self, of: &Subject, text: String, reading: &Reading) {
        let now = of.text(reading).unwrap_or_default();
        if let Some(typed) = self.0.iter_mut().find(|typed| typed.of == *of) {
            typed.text = text;
            if typed.text == now {
                self.forget(of);
            }
        } else if text != now {
            let file = match of {
                Subject::Resource(key) => excerpt(reading, key).map(|it| it.file).unwrap_or_default(),
                Subject::File(file) => file.clone(),
            };
            self.0.push(Typed { of: of.clone(), file, from: now, text, conflict: false });
        }
    }

    /// Drops one: it was put into the draft, or taken back.
    pub fn forget(&mut self, of: &Subject) {
        self.0.retain(|typed| typed.of != *of);
    }

    /// Adds texts of an earlier page; those of which another was typed meanwhile are handed back.
    #[must_use]
    pub fn take_in(&mut self, others: Self) -> Self {
        let (taken, kept) = others.0.into_iter().partition(|typed| self.get(&typed.of).is_none());
        let taken: Vec<_> = taken;
        self.0.extend(taken);
        Self(kept)
    }

    /// The mesh changed: texts take in what others did to other lines, and say where both changed the same.
    pub fn follow(&mut self, reading: &Reading) {
        for typed in &mut self.0 {
            let now = typed.of.text(reading);
            if now.as_deref() == Some(&*typed.from) {
                typed.conflict = false;
            } else if now.as_deref() != Some(&*typed.text) {
                match now.and_then(|now| Some((diff::merge(&typed.from, &typed.text, &now)?, now))) {
                    Some((merged, now)) => (typed.text, typed.from, typed.conflict) = (merged, now, false),
                    None => typed.conflict = true,
                }
            }
        }
        self.0.retain(|typed| typed.of.text(reading).as_deref() != Some(&*typed.text));
    }

    /// What was typed stands, over what the mesh has by now.
    pub fn keep_mine(&mut self, of: &Subject, reading: &Reading) {
        if let Some(typed) = self.0.iter_mut().find(|typed| typed.of == *of) {
            typed.from = of.text(reading).unwrap_or_default();
            typed.conflict = false;
        }
    }
}

impl Typed {
    /// The edit that puts it into the draft. A resource that is gone is added again.
    pub fn edit(&self, reading: &Reading) -> Edit {
        match &self.of {
            Subject::Resource(key) if reading.analysis.mesh.document(key).is_some() => {
                Edit::ReplaceResource { key: key.clone(), yaml: self.text.clone() }
            }
            Subject::Resource(_) => {
                let file = if self.file.is_empty() { "added.yaml" } else { &self.file };
                Edit::AddResource { file: file.to_owned(), yaml: self.text.clone() }
            }
            Subject::File(file) => Edit::SetFiles { files: vec![(file.clone(), Some(self.text.clone()))] },
        }
    }

    /// Unified diff from the text that it was made from.
    pub fn diff(&self) -> String {
        let of = |text: &String| Sources::single(self.file.as_str(), text.as_str());
        diff::unified(&diff::sources(&of(&self.from), &of(&self.text)))
    }
}

#[cfg(test)]
mod tests {
    use mesh::{Kind, Settings};

    use super::*;
    use crate::fixture::bookinfo;

    fn reviews() -> Subject {
        Subject::Resource(ResourceKey::new(Kind::VirtualService, "default", "reviews"))
    }

    fn with(reading: &Reading, from: &str, to: &str) -> Reading {
        let text = reviews().text(reading).unwrap();
        assert!(text.contains(from), "{from}");
        let Subject::Resource(key) = reviews() else { unreachable!() };
        reading.edited(&[Edit::ReplaceResource { key, yaml: text.replace(from, to) }], &Settings::default())
    }

    #[test]
    fn what_is_typed_stays_until_it_is_put_or_taken_back() {
        let reading = bookinfo("");
        let text = reviews().text(&reading).unwrap();
        let mut texts = Texts::default();
        texts.type_in(&reviews(), text.clone(), &reading);
        assert!(texts.is_empty(), "nothing else than the mesh has");
        texts.type_in(&reviews(), format!("{text}# mine\n"), &reading);
        texts.type_in(&Subject::File("details.yaml".into()), "x".into(), &reading);
        texts.follow(&reading);
        assert_eq!(texts.all().len(), 2);
        let again: Texts = serde_json::from_str(&serde_json::to_string(&texts).unwrap()).unwrap();
        assert_eq!(again, texts);
        // Put into the draft: the mesh has it now.
        let edit = texts.get(&reviews()).unwrap().edit(&reading);
        texts.follow(&reading.edited(&[edit], &Settings::default()));
        assert_eq!(texts.get(&reviews()), None);
        texts.type_in(&reviews(), text, &reading);
        assert_eq!(texts.all().len(), 1);
    }

    #[test]
    fn others_changes_come_in_or_are_said() {
        let reading = bookinfo("");
        let text = reviews().text(&reading).unwrap();
        let mut typed = Texts::default();
        typed.type_in(&reviews(), text.replace("weight: 90", "weight: 80"), &reading);

        let mut texts = typed.clone();
        texts.follow(&with(&reading, "hosts:", "# theirs\n  hosts:"));
        let merged = texts.get(&reviews()).unwrap();
        assert!(merged.text.contains("weight: 80") && merged.text.contains("# theirs") && !merged.conflict);

        let mut texts = typed.clone();
        let theirs = with(&reading, "weight: 90", "weight: 70");
        texts.follow(&theirs);
        let both = texts.get(&reviews()).unwrap();
        assert!(both.conflict && both.text.contains("weight: 80"));
        // It was theirs that went.
        texts.follow(&reading);
        assert!(!texts.get(&reviews()).unwrap().conflict);
        texts.follow(&theirs);
        texts.keep_mine(&reviews(), &theirs);
        texts.follow(&theirs);
        assert!(!texts.get(&reviews()).unwrap().conflict);

        // The same as they.
        let mut texts = typed.clone();
        texts.follow(&with(&reading, "weight: 90", "weight: 80"));
        assert!(texts.is_empty());

        // It is gone: the text stays, and brings it back.
        let Subject::Resource(key) = reviews() else { unreachable!() };
        let gone = reading.edited(&[Edit::RemoveResource { key }], &Settings::default());
        typed.follow(&gone);
        let typed = typed.get(&reviews()).unwrap();
        assert!(typed.conflict);
        assert!(matches!(typed.edit(&gone), Edit::AddResource { file, .. } if file == "reviews.yaml"));
    }

    #[test]
    fn texts_of_an_earlier_page_never_replace_those_of_this_one() {
        let reading = bookinfo("");
        let (mut here, mut before) = (Texts::default(), Texts::default());
        here.type_in(&reviews(), "mine".into(), &reading);
        before.type_in(&reviews(), "older".into(), &reading);
        before.type_in(&Subject::File("details.yaml".into()), "x".into(), &reading);
        let left = here.take_in(before);
        assert_eq!(here.all().len(), 2);
        assert_eq!(here.get(&reviews()).unwrap().text, "mine");
        assert_eq!(left.all().len(), 1);
    }
}

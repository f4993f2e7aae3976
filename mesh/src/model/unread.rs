//! What is said of a file that is not read.

use crate::diagnostic::Place;
use crate::sources::{Unread, Why};
use crate::{Diagnostic, Severity};

use super::codes::CODES;

impl Unread {
    /// As it is told to people.
    pub fn diagnostic(&self) -> Diagnostic {
        let code = code(&self.why);
        let (line, column) = match self.why {
            Why::NotUtf8 { line, column } => (line, column),
            _ => (1, 1),
        };
        Diagnostic {
            code: code.into(),
            severity: CODES.iter().find(|known| known.code == code).map_or(Severity::Error, |it| it.severity),
            resource: None,
            path: String::new(),
            place: Some(Place { file: self.file.clone(), line, column }),
            message: format!("The file is left out: {}.", self.why),
            corresponds_to: Vec::new(),
            fix: None,
        }
    }
}

fn code(why: &Why) -> &'static str {
    match why {
        Why::Utf16 | Why::NotUtf8 { .. } => "MW0015",
        Why::Irregular(_) => "MW0016",
        Why::TooLong(_) => "MW0017",
        Why::Failed(_) => "MW0018",
    }
}

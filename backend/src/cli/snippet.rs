//! Diagnostics for a terminal, with the line that they are about, in the manner of rustc.

use std::fmt::{self, Write as _};

use mesh::{Diagnostic, Severity, Sources};

/// Colours of a terminal; empty where there is none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    colors: bool,
}

impl Style {
    /// Colours where standard output is a terminal and nobody said `NO_COLOR`.
    pub(super) fn of_stdout() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { colors: wanted && std::io::IsTerminal::is_terminal(&std::io::stdout()) }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colors { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Writes one diagnostic.
pub(super) fn write(out: &mut String, found: &Diagnostic, sources: &Sources, style: Style) -> fmt::Result {
    let (word, color) = match found.severity {
        Severity::Error => ("error", "1;31"),
        Severity::Warning => ("warning", "1;33"),
        Severity::Info => ("info", "1;36"),
    };
    let head = style.paint(color, &format!("{word}[{}]", found.code));
    writeln!(out, "{head}{}", style.paint("1", &format!(": {}", found.message)))?;
    let mut width = 1;
    if let Some(place) = &found.place {
        width = place.line.to_string().len();
        let arrow = style.paint("1;34", "-->");
        writeln!(out, "{:width$}{arrow} {}:{}:{}", "", place.file, place.line, place.column)?;
        let line = sources.0.get(&place.file).and_then(|text| text.lines().nth(place.line.saturating_sub(1)));
        if let Some(line) = line {
            let bar = style.paint("1;34", "|");
            let number = style.paint("1;34", &place.line.to_string());
            let carets = style.paint(color, &"^".repeat(span(line, place.column)));
            // Tabs before the place stay, so that the carets stand below it.
            let indent: String = line
                .chars()
                .take(place.column.saturating_sub(1))
                .map(|c| if c == '\t' { c } else { ' ' })
                .collect();
            writeln!(
                out,
                "{:width$} {bar}\n{number} {bar} {line}\n{:width$} {bar} {indent}{carets}",
                "", ""
            )?;
        }
    }
    let note = |out: &mut String, label: &str, text: &str| {
        let sign = style.paint("1;34", "=");
        writeln!(out, "{:width$} {sign} {}: {text}", "", style.paint("1", label))
    };
    if let Some(resource) = &found.resource {
        let path = if found.path.is_empty() { String::new() } else { format!(", {}", found.path) };
        note(out, "in", &format!("{resource}{path}"))?;
    }
    if let Some(fix) = &found.fix {
        note(out, "fix", &fix.title)?;
    }
    if !found.corresponds_to.is_empty() {
        note(out, "istioctl", &found.corresponds_to.join(", "))?;
    }
    Ok(())
}

/// Characters from a column to the end of what stands on the line: without a comment, and one at least.
fn span(line: &str, column: usize) -> usize {
    let rest: String = line.chars().skip(column.saturating_sub(1)).collect();
    let rest = rest.split(" #").next().unwrap_or_default().trim_end();
    rest.chars().count().max(1)
}

/// `2 errors, 1 warning` of some findings; empty without any.
pub(super) fn summary(found: &[Diagnostic]) -> String {
    let mut text = String::new();
    for (severity, one) in
        [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Info, "hint")]
    {
        let count = found.iter().filter(|found| found.severity == severity).count();
        if count > 0 {
            let comma = if text.is_empty() { "" } else { ", " };
            let plural = if count == 1 { "" } else { "s" };
            let _ = write!(text, "{comma}{count} {one}{plural}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use mesh::diagnostic::Place;
    use mesh::{Kind, ResourceKey};

    use super::*;

    #[test]
    fn a_finding_stands_below_its_line() {
        let found = Diagnostic {
            code: "MW0301".into(),
            severity: Severity::Error,
            resource: Some(ResourceKey::new(Kind::VirtualService, "default", "reviews")),
            path: "spec.http[0].route[0].weight".to_owned(),
            place: Some(Place { file: "a.yaml".to_owned(), line: 2, column: 3 }),
            message: "It is negative.".to_owned(),
            corresponds_to: vec!["IST0106".into()],
            fix: None,
        };
        let sources = Sources::single("a.yaml", "x: 1\n  weight: -1 # too few\n");
        let mut out = String::new();
        write(&mut out, &found, &sources, Style { colors: false }).unwrap();
        let expected = "\
error[MW0301]: It is negative.
 --> a.yaml:2:3
  |
2 |   weight: -1 # too few
  |   ^^^^^^^^^^
  = in: VirtualService default/reviews, spec.http[0].route[0].weight
  = istioctl: IST0106
";
        assert_eq!(out, expected);
        assert_eq!(summary(&[found.clone(), found]), "2 errors");
    }
}

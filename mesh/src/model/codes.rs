//! The codes of what reading has to say; the table makes their part of `docs/diagnostics.md`.

use crate::Severity;

/// A code and what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// `MW` and four digits.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about, in a few words.
    pub title: &'static str,
    /// What happens, and what to do.
    pub explanation: &'static str,
}

const fn code(
    code: &'static str,
    severity: Severity,
    title: &'static str,
    explanation: &'static str,
) -> Code {
    Code { code, severity, title, explanation }
}

impl Code {
    /// The messages of istioctl that say the same.
    pub fn corresponds_to(code: &str) -> &'static [&'static str] {
        match code {
            "MW0002" | "MW0004" => &["IST0106"],
            "MW0021" | "MW0025" => &["IST0002"],
            "MW0022" => &["IST0133"],
            _ => &[],
        }
    }
}

/// All codes of reading.
pub const CODES: &[Code] = &[
    code("MW0001", Severity::Error, "Not YAML", "The document is left out; the others of the file are read."),
    code(
        "MW0002",
        Severity::Error,
        "Not a resource",
        "`apiVersion`, `kind` or `metadata.name` is missing. The document is kept as it is and has no effect.",
    ),
    code(
        "MW0003",
        Severity::Error,
        "Key there twice",
        "The last one counts here; kubectl refuses the document. Remove one of them.",
    ),
    code("MW0004", Severity::Error, "Wrong type", "The field is left out, and everything around it is read."),
    code(
        "MW0005",
        Severity::Error,
        "Too much by aliases",
        "The document's aliases expand to more than a resource may hold. It is left out.",
    ),
    code(
        "MW0006",
        Severity::Error,
        "Nested too deeply",
        "A document may be 100 levels deep, its aliases put in place. It is left out. A resource of Istio has some 15 levels, a large \
         definition of a resource some 40.",
    ),
    code(
        "MW0007",
        Severity::Error,
        "Too large",
        "A document may have 500,000 keys and values, a mesh 2,000,000 in 50,000 resources. What is beyond that is left out. \
         Divide the document, or the mesh.",
    ),
    code(
        "MW0008",
        Severity::Error,
        "More than is told",
        "Of the findings about one document the first 200 are told one by one. This one is as bad as the worst of the others: \
         mend what is told, and the next are.",
    ),
    code(
        "MW0009",
        Severity::Error,
        "File too large",
        "A file may have 8 MiB, a mesh 32 MiB in 10,000 files. What is beyond that is left out.",
    ),
    code(
        "MW0010",
        Severity::Warning,
        "Wildcard without quotes",
        "`*.foo.com` without quotes is an alias in YAML. It is read as text; kubectl refuses it. Put it in quotes.",
    ),
    code(
        "MW0011",
        Severity::Warning,
        "Placeholder",
        "`...` within a document is read as nothing; kubectl refuses it. Write what it stands for.",
    ),
    code(
        "MW0012",
        Severity::Warning,
        "Indented with tabs",
        "YAML allows spaces only. Tabs are read as the width that makes sense; kubectl refuses them.",
    ),
    code(
        "MW0013",
        Severity::Warning,
        "Single entry instead of a list",
        "A mapping or a scalar stands where the API has a list, as in `match` of old examples. It is read as a list of one.",
    ),
    code(
        "MW0014",
        Severity::Warning,
        "Scalar of another type",
        "A number stands where the API has text, or the other way round. It is read as meant; Kubernetes refuses it.",
    ),
    code(
        "MW0015",
        Severity::Error,
        "File that is no text",
        "A file of a mesh is UTF-8. One that is UTF-16, or broken, is left out; what it had before goes on. Save it as UTF-8.",
    ),
    code(
        "MW0016",
        Severity::Warning,
        "Not a regular file",
        "A pipe, a socket or a device has the name of a YAML file. It is left out: reading it might never end.",
    ),
    code(
        "MW0017",
        Severity::Error,
        "Too large a file",
        "A file of a mesh may have 8 MiB. One that is larger is left out; what it had before goes on.",
    ),
    code(
        "MW0018",
        Severity::Error,
        "File that cannot be read",
        "The system says no: permissions, a link that leads nowhere, a disk that fails. What the file had before goes on.",
    ),
    code(
        "MW0020",
        Severity::Info,
        "Old API version",
        "`v1alpha3` is read like `v1`, and is deprecated. Newer versions of Istio have `networking.istio.io/v1`.",
    ),
    code(
        "MW0021",
        Severity::Info,
        "Integer percent of a fault",
        "`percent` is deprecated for `percentage`, and read.",
    ),
    code(
        "MW0022",
        Severity::Info,
        "Integer percent of a mirror",
        "`mirrorPercent` is deprecated for `mirrorPercentage`.",
    ),
    code(
        "MW0023",
        Severity::Info,
        "Certificate by file",
        "`serverCertificate` and `privateKey` name files in the gateway's container. `tlsCertificates` says the same \
         today; `credentialName` takes them from a Secret.",
    ),
    code(
        "MW0024",
        Severity::Warning,
        "Fault without a percentage",
        "In documents of `v1alpha3` it meant all requests, and is read so; Istio today injects none. Write the percentage.",
    ),
    code(
        "MW0025",
        Severity::Warning,
        "Integer percent of an abort",
        "`percent` of an abort is gone from the API. It is read here; a cluster drops it, and aborts nothing without \
         `percentage`.",
    ),
];

#[cfg(test)]
mod tests {
    use super::CODES;

    #[test]
    fn ascending_and_well_formed() {
        assert!(CODES.is_sorted_by(|a, b| a.code < b.code));
        assert!(CODES.iter().all(|code| code.code.len() == 6 && code.code.starts_with("MW00")));
    }
}

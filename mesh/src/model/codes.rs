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
    code(
        "MW0001",
        Severity::Error,
        "Not YAML",
        "The document is left out; the other documents of the file are read.",
    ),
    code(
        "MW0002",
        Severity::Error,
        "Not a resource",
        "`apiVersion`, `kind` or `metadata.name` is missing. The document is kept as it is and has no effect.",
    ),
    code(
        "MW0003",
        Severity::Error,
        "Duplicate key",
        "The last one is used here, but kubectl rejects the document. Remove one of them.",
    ),
    code("MW0004", Severity::Error, "Wrong type", "The field is left out; all other fields are read."),
    code(
        "MW0005",
        Severity::Error,
        "Aliases expand to too much",
        "The document's aliases expand to more than a resource may hold. It is left out.",
    ),
    code(
        "MW0006",
        Severity::Error,
        "Nested too deeply",
        "A document may have 100 levels, with its aliases expanded. This one is left out. A resource of Istio has some 15 levels, a large \
         CustomResourceDefinition some 40.",
    ),
    code(
        "MW0007",
        Severity::Error,
        "Too many values",
        "A document may have 500,000 keys and values, a mesh 2,000,000 in 50,000 resources. What is beyond that is left out. \
         Split the document, or the mesh.",
    ),
    code(
        "MW0008",
        Severity::Error,
        "More findings than are shown",
        "Of the findings about one document the first 200 are shown. This one stands for the others and has the severity of the worst: \
         fix the ones that are shown, and the next ones appear.",
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
        "`*.foo.com` without quotes is an alias in YAML. It is read as text here, but kubectl rejects it. Put it in quotes.",
    ),
    code(
        "MW0011",
        Severity::Warning,
        "Placeholder",
        "`...` within a document is ignored here, but kubectl rejects it. Replace it by what it stands for.",
    ),
    code(
        "MW0012",
        Severity::Warning,
        "Indented with tabs",
        "YAML allows spaces only. Tabs are read here as the width that fits the lines around them, but kubectl rejects them.",
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
        "A number stands where the API has text, or the other way round. It is read as the right type here, but Kubernetes rejects it.",
    ),
    code(
        "MW0015",
        Severity::Error,
        "Not a UTF-8 file",
        "Files of a mesh must be UTF-8. One that is UTF-16, or broken, is left out, and its previous content stays in effect. Save it as UTF-8.",
    ),
    code(
        "MW0016",
        Severity::Warning,
        "Not a regular file",
        "A pipe, a socket or a device with the name of a YAML file. It is left out, because reading it might never end.",
    ),
    code(
        "MW0017",
        Severity::Error,
        "File too large to read",
        "A file of a mesh may have 8 MiB. A larger one is left out, and its previous content stays in effect.",
    ),
    code(
        "MW0018",
        Severity::Error,
        "File that cannot be read",
        "The operating system reports an error, such as missing permissions or a broken link. The previous content of the file stays in effect.",
    ),
    code(
        "MW0020",
        Severity::Info,
        "Old API version",
        "`v1alpha3` is deprecated, and read like `v1`. Use `networking.istio.io/v1`.",
    ),
    code(
        "MW0021",
        Severity::Info,
        "Integer percent of a fault",
        "`percent` is deprecated. It is read; use `percentage`.",
    ),
    code(
        "MW0022",
        Severity::Info,
        "Integer percent of a mirror",
        "`mirrorPercent` is deprecated. Use `mirrorPercentage`.",
    ),
    code(
        "MW0023",
        Severity::Info,
        "Certificate by file",
        "`serverCertificate` and `privateKey` name files in the gateway's container. They are the old form of `tlsCertificates`; \
         `credentialName` takes the certificate from a Secret.",
    ),
    code(
        "MW0024",
        Severity::Warning,
        "Fault without a percentage",
        "In `v1alpha3` this meant all requests, and is read so here; current versions of Istio inject nothing. Write the percentage.",
    ),
    code(
        "MW0025",
        Severity::Warning,
        "Integer percent of an abort",
        "`percent` of an abort is no longer in the API. It is read here, but Istio ignores it, and aborts nothing without \
         `percentage`.",
    ),
    code(
        "MW0026",
        Severity::Error,
        "Refused by the cluster",
        "The API server, a rule of its CRDs (CEL) or a webhook does not take the object; the message has its words. It was asked before \
         anything was written (dry run), so nothing has changed.",
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

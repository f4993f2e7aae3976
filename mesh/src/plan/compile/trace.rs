//! What the compiler left out, for those who ask why. Reasons are values; sentences are made by [`crate::explain`].

/// Why a rule, or one match of it, is not in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skip {
    /// The source lacks `sourceLabels`.
    SourceLabels,
    /// The source is of another namespace.
    SourceNamespace,
    /// `gateways` of the match names others.
    Gateways,
    /// `port` of the match is another.
    Port,
    /// Something before it matches everything.
    Unreachable,
    /// A comparison that cannot be made: no regular expression, an empty prefix.
    Comparison,
    /// It asks for claims of a token, which nobody checks here.
    Claims,
    /// It says nothing of what to do.
    NoAction,
    /// A redirect with a status that is none.
    RedirectStatus,
    /// Destinations without any weight.
    NoWeight,
    /// A delegate that does not exist.
    DelegateMissing,
    /// A delegate that is not exported to the root's namespace.
    DelegateHidden,
    /// A delegate's rule that delegates again.
    DelegateNested,
    /// A delegate's match that is no part of the root's.
    DelegateConflict,
}

/// A rule, or one match of it, that was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Note {
    /// Position in [`super::Rulebook::rules`].
    pub(crate) rule: usize,
    /// The match; `None` for the whole rule.
    pub(crate) part: Option<usize>,
    /// Why.
    pub(crate) why: Skip,
}

/// How a VirtualService stands in a virtual host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Its rules are the host's, or among them.
    Used,
    /// None of its rules is left for this source.
    Empty,
    /// Another one has the host already.
    Second,
}

/// A VirtualService and a virtual host that it wanted.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Port of the listener.
    pub(crate) port: u16,
    /// Name of the virtual host.
    pub(crate) host: String,
    /// Position of the VirtualService in [`super::Rules::books`].
    pub(crate) book: usize,
    /// How it stands.
    pub(crate) standing: Standing,
    /// What was left out.
    pub(crate) notes: Vec<Note>,
}

/// All of them, in the order of compilation; `None` where nobody asks.
#[derive(Debug, Default)]
pub(crate) struct Trace(pub(crate) Option<Vec<Entry>>);

impl Trace {
    /// One that somebody asks for.
    pub(crate) fn wanted() -> Self {
        Self(Some(Vec::new()))
    }

    pub(crate) fn add(&mut self, entry: impl FnOnce() -> Entry) {
        if let Some(entries) = &mut self.0 {
            entries.push(entry());
        }
    }
}

//! The questions to the server about permissions: few, several at a time.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, ResourceRule, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
    SelfSubjectRulesReview, SelfSubjectRulesReviewSpec,
};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{ListParams, PostParams};
use kube::core::PartialObjectMeta;

use super::ASKED;
use crate::connect::Connection;
use crate::error::Error;
use crate::kind::{Kind, Verb};

/// Questions at a time.
const AT_ONCE: usize = 8;

/// What the server says that its rules are in a namespace.
pub(super) struct Rules {
    rules: Vec<ResourceRule>,
    /// Whether there may be more that it cannot list.
    incomplete: bool,
}

/// What is granted in namespaces.
pub(super) struct Found {
    pub(super) granted: Vec<(String, BTreeSet<(Kind, Verb)>)>,
    /// How many were left out.
    pub(super) unasked: usize,
}

/// The user, as the server names him. Servers before 1.28 do not tell.
pub(super) async fn user(connection: &Connection) -> Option<String> {
    let api: Api<SelfSubjectReview> = Api::all(connection.client.clone());
    let review = api.create(&PostParams::default(), &SelfSubjectReview::default()).await.ok()?;
    review.status?.user_info?.username
}

/// Whether everything is permitted everywhere.
pub(super) async fn everything(connection: &Connection) -> Result<bool, Error> {
    let star = Some("*".to_owned());
    ask(
        connection,
        ResourceAttributes {
            verb: star.clone(),
            group: star.clone(),
            resource: star,
            ..ResourceAttributes::default()
        },
    )
    .await
}

/// The rules in a namespace.
pub(super) async fn rules(connection: &Connection, namespace: &str) -> Result<Rules, Error> {
    let api: Api<SelfSubjectRulesReview> = Api::all(connection.client.clone());
    let spec = SelfSubjectRulesReviewSpec { namespace: Some(namespace.to_owned()) };
    let review = SelfSubjectRulesReview { spec, ..SelfSubjectRulesReview::default() };
    match api.create(&PostParams::default(), &review).await {
        Ok(review) => {
            let status = review.status.unwrap_or_default();
            Ok(Rules { rules: status.resource_rules, incomplete: status.incomplete })
        }
        // Who may not even ask for rules may ask one by one.
        Err(kube::Error::Api(status)) if [403, 404].contains(&status.code) => {
            Ok(Rules { rules: Vec::new(), incomplete: true })
        }
        Err(error) => Err(connection.explain(error)),
    }
}

/// Which of several things are permitted, in one namespace or in the whole cluster.
pub(super) async fn allowed(
    connection: &Connection,
    asked: Vec<(Kind, Verb)>,
    namespace: Option<&str>,
) -> Result<BTreeSet<(Kind, Verb)>, Error> {
    let ask = async |(kind, verb): (Kind, Verb)| {
        let attributes = ResourceAttributes {
            verb: Some(verb.name().to_owned()),
            group: Some(kind.group().to_owned()),
            resource: Some(kind.plural().to_owned()),
            namespace: namespace.map(str::to_owned),
            ..ResourceAttributes::default()
        };
        Ok::<_, Error>(ask(connection, attributes).await?.then_some((kind, verb)))
    };
    let answers: Vec<Option<(Kind, Verb)>> =
        stream::iter(asked).map(ask).buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(answers.into_iter().flatten().collect())
}

/// What of `asked` is permitted in which namespaces.
pub(super) async fn in_namespaces(
    connection: &Connection,
    names: &[String],
    asked: &[(Kind, Verb)],
) -> Result<Found, Error> {
    let look = async |name: &String| {
        let rules = rules(connection, name).await?;
        let granted: BTreeSet<_> =
            asked.iter().copied().filter(|(kind, verb)| rules.grant(*kind, *verb)).collect();
        Ok::<_, Error>((name.clone(), granted, rules.incomplete))
    };
    let looked: Vec<(String, BTreeSet<(Kind, Verb)>, bool)> =
        stream::iter(names).map(look).buffered(AT_ONCE).try_collect().await?;
    let mut found = Found { granted: Vec::new(), unasked: 0 };
    let mut questioned = 0;
    for (name, mut granted, incomplete) in looked {
        if incomplete && questioned == ASKED {
            found.unasked += 1;
        } else if incomplete {
            questioned += 1;
            granted.extend(one_by_one(connection, &name, asked, &granted).await?);
        }
        if !granted.is_empty() {
            found.granted.push((name, granted));
        }
    }
    Ok(found)
}

/// What the rules do not say. Lists first: what may not be listed may hardly be written, unless that is known otherwise.
async fn one_by_one(
    connection: &Connection,
    name: &str,
    asked: &[(Kind, Verb)],
    granted: &BTreeSet<(Kind, Verb)>,
) -> Result<BTreeSet<(Kind, Verb)>, Error> {
    let open = asked.iter().copied().filter(|question| !granted.contains(question));
    let (first, then): (Vec<_>, Vec<_>) = open.partition(|(_, verb)| *verb == Verb::List);
    let refused: BTreeSet<Kind> = first.iter().map(|(kind, _)| *kind).collect();
    let mut found = allowed(connection, first, Some(name)).await?;
    let then = then
        .into_iter()
        .filter(|(kind, _)| !refused.contains(kind) || found.contains(&(*kind, Verb::List)))
        .collect();
    found.extend(allowed(connection, then, Some(name)).await?);
    Ok(found)
}

/// Names of namespaces, and how many more there are.
pub(super) async fn namespaces(connection: &Connection, most: usize) -> Result<(Vec<String>, usize), Error> {
    let api: Api<Namespace> = Api::all(connection.client.clone());
    let limit = u32::try_from(most).unwrap_or(u32::MAX);
    let list = api.list_metadata(&ListParams::default().limit(limit)).await;
    let list = list.map_err(|error| connection.explain(error))?;
    let more = list.metadata.remaining_item_count.unwrap_or(0);
    let name = |found: PartialObjectMeta<Namespace>| found.metadata.name;
    Ok((list.items.into_iter().filter_map(name).collect(), usize::try_from(more).unwrap_or(0)))
}

async fn ask(connection: &Connection, attributes: ResourceAttributes) -> Result<bool, Error> {
    let api: Api<SelfSubjectAccessReview> = Api::all(connection.client.clone());
    let spec = SelfSubjectAccessReviewSpec {
        resource_attributes: Some(attributes),
        ..SelfSubjectAccessReviewSpec::default()
    };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    match api.create(&PostParams::default(), &review).await {
        Ok(review) => Ok(review.status.is_some_and(|status| status.allowed)),
        // Who may not even ask is told so when he tries.
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(false),
        Err(error) => Err(connection.explain(error)),
    }
}

impl Rules {
    /// Whether something is permitted, or may be by what the server cannot list.
    pub(super) fn may(&self, kind: Kind, verb: Verb) -> bool {
        self.incomplete || self.grant(kind, verb)
    }

    /// Whether the rules permit something for all objects of a kind.
    fn grant(&self, kind: Kind, verb: Verb) -> bool {
        let has = |list: &[String], wanted: &str| list.iter().any(|item| item == "*" || item == wanted);
        self.rules.iter().any(|rule| {
            has(&rule.verbs, verb.name())
                && has(rule.api_groups.as_deref().unwrap_or_default(), kind.group())
                && has(rule.resources.as_deref().unwrap_or_default(), kind.plural())
                && rule.resource_names.as_ref().is_none_or(|names| names.is_empty())
        })
    }
}

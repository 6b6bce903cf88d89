//! A refusal of the API server as the RBAC rule that would lift it.
//!
//! The only place where the server says who asked for what is the text of its 403
//! (`k8s.io/apiserver/pkg/endpoints/handlers/responsewriters.ForbiddenStatusError`), whose
//! form has been the same since 1.9 and which client libraries parse as well.

use std::fmt;

/// What a 403 says was refused.
///
/// # Example
///
/// ```
/// use polyreme::explain::Denied;
/// let denied = Denied::parse(
///     "websites.webhosting.polyreme.dev is forbidden: User \"jane\" cannot list resource \
///      \"websites\" in API group \"webhosting.polyreme.dev\" at the cluster scope",
/// ).unwrap();
/// assert_eq!((denied.verb.as_str(), denied.namespace), ("list", None));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Who asked.
    pub user: String,
    /// `list`
    pub verb: String,
    /// `websites`, or `websites/status`.
    pub resource: String,
    /// Empty for the core group.
    pub group: String,
    /// Where; the whole cluster when absent.
    pub namespace: Option<String>,
}

impl Denied {
    /// Reads the message of a 403.
    #[must_use]
    pub fn parse(message: &str) -> Option<Self> {
        let (_, rest) = message.split_once("User \"")?;
        let (user, rest) = rest.split_once("\" cannot ")?;
        let (verb, rest) = rest.split_once(" resource \"")?;
        let (resource, rest) = rest.split_once("\" in API group \"")?;
        let (group, rest) = rest.split_once('"')?;
        let namespace = rest.split_once("in the namespace \"").and_then(|(_, rest)| rest.split_once('"'));
        Some(Self {
            user: user.to_owned(),
            verb: verb.to_owned(),
            resource: resource.to_owned(),
            group: group.to_owned(),
            namespace: namespace.map(|(name, _)| name.to_owned()),
        })
    }

    /// Whoever may list has to watch too, and who shares a ring needs all that it does with Leases, or the
    /// next error is that one.
    fn verbs(&self) -> String {
        match (self.verb.as_str(), self.group.as_str()) {
            (_, "coordination.k8s.io") => "get,list,watch,create,update,delete".to_owned(),
            ("get" | "list" | "watch", _) => "get,list,watch".to_owned(),
            (verb, _) => verb.to_owned(),
        }
    }

    /// A name for role and binding; `/` of a subresource is not allowed in it.
    fn role_name(&self) -> String {
        let resource = self.resource.replace('/', "-");
        format!("polyreme-{resource}-{}", self.verbs().replace(',', "-"))
    }

    /// The resource as `kubectl create clusterrole --resource` takes it.
    fn qualified(&self) -> String {
        let (plural, sub) = self.resource.split_once('/').unwrap_or((&self.resource, ""));
        let group = if self.group.is_empty() { String::new() } else { format!(".{}", self.group) };
        let sub = if sub.is_empty() { String::new() } else { format!("/{sub}") };
        format!("{plural}{group}{sub}")
    }

    /// `--serviceaccount=ns:name` or `--user=name`.
    fn subject(&self) -> String {
        match self.user.strip_prefix("system:serviceaccount:") {
            Some(account) => format!("--serviceaccount={account}"),
            None => format!("--user={}", self.user),
        }
    }
}

/// The rule to add, as YAML and as commands.
impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, verbs) = (self.role_name(), self.verbs());
        write!(
            f,
            "add to its role the rule `- {{apiGroups: [\"{}\"], resources: [\"{}\"], verbs: [{}]}}`, or run \
             `kubectl create clusterrole {name} --verb={verbs} --resource={}` and \
             `kubectl create clusterrolebinding {name} --clusterrole={name} {}`",
            self.group,
            self.resource,
            verbs.replace(',', ", "),
            self.qualified(),
            self.subject(),
        )
    }
}

/// The message of a 403 with the rule that would lift it; nothing when it has no such form.
#[must_use]
pub fn rule(message: &str) -> Option<String> {
    Some(format!("{message}; {}", Denied::parse(message)?))
}

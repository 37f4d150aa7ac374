//! What is wrong with a document.

/// Why a document is no policy. The texts are IAM's, the message of `MalformedPolicyDocument`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It is no JSON.
    #[error("This policy contains invalid Json")]
    Json,
    /// An element is missing, unknown or of the wrong type.
    #[error("Syntax errors in policy.")]
    Syntax,
    /// Policies of identities have the newer version.
    #[error("Policy document must be version 2012-10-17 or greater.")]
    Version,
    /// Two statements have one id.
    #[error("Statement IDs (SID) in a single policy must be unique.")]
    DuplicateSid,
    /// A statement's id has other characters than letters and digits.
    #[error(
        "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular \
         expression [0-9A-Za-z]*"
    )]
    Sid,
    /// Neither `Action` nor `NotAction`.
    #[error("Policy statement must contain actions.")]
    NoAction,
    /// Neither `Resource` nor `NotResource`.
    #[error("Policy statement must contain resources.")]
    NoResource,
    /// An action has no service before its colon.
    #[error("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")]
    NoVendor,
    /// An action has several colons.
    #[error("Actions/Condition can contain only one colon.")]
    Colons,
    /// The service before an action's colon has characters that none has.
    #[error("Vendor {0} is not valid")]
    Vendor(String),
    /// A resource is no ARN.
    #[error("Resource {0} must be in ARN format or \"*\".")]
    Resource(String),
    /// A resource's partition is none of AWS's.
    #[error("Partition \"{partition}\" is not valid for resource \"{resource}\".")]
    Partition {
        /// What stands in its place.
        partition: String,
        /// The resource, as long as an ARN is.
        resource: String,
    },
    /// A resource's service has wildcards or is missing.
    #[error("Resource vendor must be fully qualified and cannot contain regexes.")]
    ResourceVendor,
    /// A policy of an identity names a principal: it is that of the identity.
    #[error("Policy document should not specify a principal.")]
    ProhibitedPrincipal,
    /// A trust policy names resources: it is the role.
    #[error("Has prohibited field Resource")]
    ProhibitedResource,
    /// A trust policy or one of a resource names no principal.
    #[error("Missing required field Principal")]
    NoPrincipal,
    /// A principal that cannot be one.
    #[error("Invalid principal in policy: \"{kind}\":\"{value}\"")]
    Principal {
        /// `AWS`, `SERVICE`, ….
        kind: String,
        /// Who was named.
        value: String,
    },
    /// A trust policy names actions of other services.
    #[error("AssumeRole policy may only specify STS AssumeRole actions.")]
    TrustAction,
}

//! Whether a text can stand in `Resource`.

use crate::PolicyError;

const PARTITIONS: [&str; 5] = ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b"];

/// Parts that end with a wildcard may stand for what follows them, so few are demanded.
pub(super) fn check(text: &str) -> Result<(), PolicyError> {
    if text == "*" || text.starts_with("${") {
        return Ok(());
    }
    let rest = text
        .strip_prefix("arn:")
        .ok_or_else(|| PolicyError::Resource(text.to_owned()))?;
    let mut parts = rest.splitn(5, ':');
    let partition = parts.next().unwrap_or_default();
    if !PARTITIONS.contains(&partition) && partition != "*" && !partition.starts_with("${") {
        let part = |part: Option<&str>| part.map_or("*", |part| part).to_owned();
        let [service, region, account, resource] = [(); 4].map(|()| part(parts.next()));
        return Err(PolicyError::Partition {
            resource: format!("arn:{partition}:{service}:{region}:{account}:{resource}"),
            partition: partition.to_owned(),
        });
    }
    match parts.next() {
        Some("") | None if partition != "*" => Err(PolicyError::ResourceVendor),
        Some(service) if service.contains('?') => Err(PolicyError::ResourceVendor),
        Some(service) if service.contains('*') && service != "*" => {
            Err(PolicyError::ResourceVendor)
        }
        _ => Ok(()),
    }
}

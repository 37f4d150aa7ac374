//! From AWS's names to Rust's.

/// `KMSKeyArn` to `kms_key_arn`, `CodeSha256` to `code_sha256`, `S3Bucket` to `s3_bucket`.
pub(super) fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (index, &c) in chars.iter().enumerate() {
        if !c.is_ascii_alphanumeric() {
            snake.push('_');
            continue;
        }
        let before = index.checked_sub(1).and_then(|i| chars.get(i));
        let after = chars.get(index + 1);
        let starts_word = c.is_ascii_uppercase()
            && before.is_some_and(|b| {
                b.is_ascii_lowercase()
                    || b.is_ascii_digit()
                    || (b.is_ascii_uppercase() && after.is_some_and(char::is_ascii_lowercase))
            });
        if starts_word {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    match snake.as_str() {
        "type" | "match" | "ref" | "static" | "use" | "move" => format!("r#{snake}"),
        _ => snake,
    }
}

/// A shape as a type: `statusType` to `StatusType`.
pub(super) fn type_name(name: &str) -> String {
    let (first, rest) = name.split_at_checked(1).unwrap_or(("", name));
    first.to_ascii_uppercase() + rest
}

/// `FunctionName` to `FUNCTION_NAME`.
pub(super) fn constant(name: &str) -> String {
    snake(name).trim_start_matches("r#").to_ascii_uppercase()
}

/// `FunctionName` to `functionName`, as AWS's messages write a member: the first letter alone,
/// `KMSKeyArn` to `kMSKeyArn`.
pub(super) fn lower_first(name: &str) -> String {
    let (first, rest) = name.split_at_checked(1).unwrap_or(("", name));
    first.to_ascii_lowercase() + rest
}

/// An enum's value as a variant: `nodejs20.x` to `Nodejs20X`, `python3.11` to `Python3_11`,
/// `PER_TENANT` to `PerTenant`, `InvalidZipFileException` as it is.
pub(super) fn variant(value: &str) -> String {
    let mut variant = String::new();
    for word in value.split(|c: char| !c.is_ascii_alphanumeric()) {
        let (first, rest) = word.split_at_checked(1).unwrap_or(("", ""));
        let digits_meet = variant.ends_with(|c: char| c.is_ascii_digit())
            && first.starts_with(|c: char| c.is_ascii_digit());
        if digits_meet {
            variant.push('_');
        }
        variant.push_str(&first.to_ascii_uppercase());
        if word.chars().any(|c| c.is_ascii_lowercase()) {
            variant.push_str(rest);
        } else {
            variant.push_str(&rest.to_ascii_lowercase());
        }
    }
    variant
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members() {
        for (aws, rust) in [
            ("FunctionName", "function_name"),
            ("KMSKeyArn", "kms_key_arn"),
            ("SourceKMSKeyArn", "source_kms_key_arn"),
            ("CodeSha256", "code_sha256"),
            ("S3ObjectVersion", "s3_object_version"),
            ("Ipv6AllowedForDualStack", "ipv6_allowed_for_dual_stack"),
            ("Type", "r#type"),
        ] {
            assert_eq!(snake(aws), rust);
        }
        assert_eq!(constant("KMSKeyArn"), "KMS_KEY_ARN");
        assert_eq!(lower_first("KMSKeyArn"), "kMSKeyArn");
        assert_eq!(type_name("statusType"), "StatusType");
    }

    #[test]
    fn variants() {
        for (aws, rust) in [
            ("nodejs20.x", "Nodejs20X"),
            ("python3.11", "Python3_11"),
            ("provided.al2023", "ProvidedAl2023"),
            ("x86_64", "X86_64"),
            ("PER_TENANT", "PerTenant"),
            ("InvalidZipFileException", "InvalidZipFileException"),
            ("FunctionError.InitTimeout", "FunctionErrorInitTimeout"),
            ("nodejs4.3-edge", "Nodejs4_3Edge"),
        ] {
            assert_eq!(variant(aws), rust);
        }
    }
}

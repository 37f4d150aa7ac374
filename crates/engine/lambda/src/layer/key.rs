//! Which layer is meant.

use std::sync::Arc;

use ids::Arn;
use wire::Caller;

/// A layer's place and name: what makes it one and the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LayerKey {
    pub(crate) account: Arc<str>,
    pub(crate) region: Arc<str>,
    pub(crate) name: Arc<str>,
}

impl LayerKey {
    /// The layer that `text` means for the caller: a name is of his own account and region, an ARN
    /// says itself whose it is.
    pub(crate) fn named(caller: &Caller, text: &str) -> Self {
        let of_arn = text.parse::<Arn>().ok().and_then(|arn| {
            let name = arn.resource.strip_prefix("layer:")?;
            Some(Self {
                account: arn.account.as_str().into(),
                region: arn.region.as_str().into(),
                name: name.into(),
            })
        });
        of_arn.unwrap_or_else(|| Self {
            account: Arc::clone(&caller.account),
            region: Arc::clone(&caller.region),
            name: text.into(),
        })
    }

    /// The layer and the number in the ARN of a layer version; `None` for anything else.
    pub(crate) fn version_of_arn(text: &str) -> Option<(Self, u64)> {
        let arn: Arn = text.parse().ok()?;
        let (name, number) = arn.resource.strip_prefix("layer:")?.rsplit_once(':')?;
        let key = Self {
            account: arn.account.as_str().into(),
            region: arn.region.as_str().into(),
            name: name.into(),
        };
        Some((key, number.parse().ok()?))
    }

    /// `arn:aws:lambda:…:layer:NAME`.
    pub(crate) fn arn(&self) -> String {
        let resource = format!("layer:{}", self.name);
        Arn::new("lambda", &self.region, &self.account, resource).to_string()
    }

    /// The same with `:NUMBER`.
    pub(crate) fn version_arn(&self, number: u64) -> String {
        format!("{}:{number}", self.arn())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller() -> Caller {
        Caller {
            account: ids::DEFAULT_ACCOUNT.into(),
            region: "us-east-1".into(),
            principal: wire::Principal::Account {
                access_key_id: "lambdalab".into(),
            },
            host: None,
            trace: None,
            request_id: ids::RequestId::draw(&ids::SeededEntropy::new(1)),
        }
    }

    #[test]
    fn a_name_is_the_callers_and_an_arn_says_whose_it_is() {
        let own = LayerKey::named(&caller(), "numpy");
        assert_eq!(
            own.arn(),
            "arn:aws:lambda:us-east-1:000000000000:layer:numpy"
        );
        let arn = "arn:aws:lambda:eu-west-1:123456789012:layer:numpy";
        assert_eq!(LayerKey::named(&caller(), arn).arn(), arn);
    }

    #[test]
    fn versions_are_read_and_written_alike() {
        let arn = "arn:aws:lambda:eu-west-1:123456789012:layer:numpy:12";
        let (key, number) = LayerKey::version_of_arn(arn).unwrap();
        assert_eq!((&*key.name, number), ("numpy", 12));
        assert_eq!(key.version_arn(number), arn);
        for other in [
            "numpy",
            "arn:aws:lambda:eu-west-1:123456789012:layer:numpy",
            "arn:aws:lambda:eu-west-1:123456789012:function:f:1",
        ] {
            assert_eq!(LayerKey::version_of_arn(other), None, "{other}");
        }
    }
}

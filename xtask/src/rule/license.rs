//! SPDX licence expressions, as far as crates write them.

/// Whether a package under `expression` may be used when `allowed` licences may: one of an `OR`,
/// all of an `AND`. An expression that cannot be read permits nothing.
#[must_use]
pub fn permits(allowed: &[String], expression: &str) -> bool {
    // Crates from before SPDX write `MIT/Apache-2.0`.
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser {
        allowed,
        tokens: &tokens,
    };
    let verdict = parser.any();
    verdict == Some(true) && parser.tokens.is_empty()
}

struct Parser<'a> {
    allowed: &'a [String],
    tokens: &'a [&'a str],
}

impl Parser<'_> {
    fn take(&mut self, token: &str) -> bool {
        let found = self.tokens.first() == Some(&token);
        if found {
            self.tokens = self.tokens.get(1..).unwrap_or_default();
        }
        found
    }

    fn any(&mut self) -> Option<bool> {
        let mut verdict = self.all()?;
        while self.take("OR") {
            verdict |= self.all()?;
        }
        Some(verdict)
    }

    fn all(&mut self) -> Option<bool> {
        let mut verdict = self.one()?;
        while self.take("AND") {
            verdict &= self.one()?;
        }
        Some(verdict)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let verdict = self.any()?;
            return self.take(")").then_some(verdict);
        }
        let (license, rest) = self.tokens.split_first()?;
        if matches!(*license, "OR" | "AND" | "WITH" | ")") {
            return None;
        }
        self.tokens = rest;
        let mut license = (*license).to_owned();
        if self.take("WITH") {
            let (exception, rest) = self.tokens.split_first()?;
            self.tokens = rest;
            license = format!("{license} WITH {exception}");
        }
        Some(self.allowed.contains(&license))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        let allowed = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned);
        for good in [
            "MIT",
            "GPL-3.0 OR MIT",
            "MIT/GPL-3.0",
            "(MIT OR GPL-3.0) AND Apache-2.0",
            "GPL-3.0 AND GPL-2.0 OR MIT",
            "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
        ] {
            assert!(permits(&allowed, good), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "MIT AND (GPL-3.0 OR GPL-2.0)",
            "MIT WITH LLVM-exception",
            "MIT OR",
            "(MIT",
            "MIT)",
            "MIT MIT",
            "AND",
        ] {
            assert!(!permits(&allowed, bad), "{bad}");
        }
    }
}

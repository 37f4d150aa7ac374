//! What `cargo xtask codegen` wrote. Change the generator or its settings, not these files.

macro_rules! generated {
    ($($service:ident)*) => {$(
        #[allow(
            missing_docs,
            unused_imports,
            clippy::enum_variant_names,
            clippy::let_unit_value,
            clippy::needless_pass_by_value,
            clippy::too_many_lines,
            reason = "generated: the documentation of a shape is AWS's own, and not every service \
                      needs every import"
        )]
        pub mod $service;
    )*};
}

generated! { iam lambda logs sqs sts }

//! Function URLs.

use aws_sdk_lambda::operation::create_function_url_config::CreateFunctionUrlConfigOutput;
use aws_sdk_lambda::operation::get_function_url_config::GetFunctionUrlConfigOutput;
use aws_sdk_lambda::types::{FunctionUrlAuthType, InvokeMode};
use serde::Serialize;

use crate::error::CallError;
use crate::function::FunctionHandle;

/// The URL of a function or an alias. The members are AWS's, by AWS's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(
    missing_docs,
    reason = "the names are those of AWS's FunctionUrlConfig"
)]
pub struct FunctionUrl {
    pub function_url: String,
    pub function_arn: String,
    pub auth_type: String,
    pub invoke_mode: String,
}

/// What a new URL is to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NewUrl {
    /// Whether everybody may call it; else callers must sign.
    pub public: bool,
    /// Whether answers are streamed.
    pub streaming: bool,
}

impl From<CreateFunctionUrlConfigOutput> for FunctionUrl {
    fn from(output: CreateFunctionUrlConfigOutput) -> Self {
        Self {
            function_url: output.function_url,
            function_arn: output.function_arn,
            auth_type: output.auth_type.as_str().to_owned(),
            invoke_mode: shown(output.invoke_mode),
        }
    }
}

impl From<GetFunctionUrlConfigOutput> for FunctionUrl {
    fn from(output: GetFunctionUrlConfigOutput) -> Self {
        Self {
            function_url: output.function_url,
            function_arn: output.function_arn,
            auth_type: output.auth_type.as_str().to_owned(),
            invoke_mode: shown(output.invoke_mode),
        }
    }
}

fn shown(mode: Option<InvokeMode>) -> String {
    let mode = mode.unwrap_or(InvokeMode::Buffered);
    mode.as_str().to_owned()
}

impl FunctionHandle {
    /// Gives the function, or an alias of it, a URL. A public one also needs
    /// [`FunctionHandle::open_url`].
    ///
    /// # Errors
    /// The target refuses or cannot be reached.
    pub async fn create_url(
        &self,
        qualifier: Option<&str>,
        new: NewUrl,
    ) -> Result<FunctionUrl, CallError> {
        let connection = self.connection();
        let call = connection
            .control()
            .create_function_url_config()
            .function_name(self.name())
            .set_qualifier(qualifier.map(str::to_owned))
            .auth_type(match new.public {
                true => FunctionUrlAuthType::None,
                false => FunctionUrlAuthType::AwsIam,
            })
            .set_invoke_mode(new.streaming.then_some(InvokeMode::ResponseStream));
        connection.answered("CreateFunctionUrlConfig", call.send().await)
    }

    /// Lets everybody call the function by its URL: the two statements of its policy that this needs.
    /// Those that are there stay.
    ///
    /// # Errors
    /// The target refuses or cannot be reached.
    pub async fn open_url(&self, qualifier: Option<&str>) -> Result<(), CallError> {
        let connection = self.connection();
        let statement = |id: &str, action: &str| {
            connection
                .control()
                .add_permission()
                .function_name(self.name())
                .set_qualifier(qualifier.map(str::to_owned))
                .statement_id(id)
                .action(action)
                .principal("*")
        };
        let statements = [
            statement("FunctionUrlAllowPublicAccess", "lambda:InvokeFunctionUrl")
                .function_url_auth_type(FunctionUrlAuthType::None),
            statement("FunctionUrlAllowInvokeAction", "lambda:InvokeFunction")
                .invoked_via_function_url(true),
        ];
        for statement in statements {
            let answer = statement.send().await.map(|_| ());
            let added: Result<(), CallError> = connection.answered("AddPermission", answer);
            match added {
                Err(error) if error.code() != Some("ResourceConflictException") => {
                    return Err(error);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The URL of the function, or of an alias of it.
    ///
    /// # Errors
    /// The target refuses or cannot be reached.
    pub async fn url(&self, qualifier: Option<&str>) -> Result<FunctionUrl, CallError> {
        let connection = self.connection();
        let call = connection
            .control()
            .get_function_url_config()
            .function_name(self.name())
            .set_qualifier(qualifier.map(str::to_owned));
        connection.answered("GetFunctionUrlConfig", call.send().await)
    }

    /// Removes the URL of the function, or of an alias of it. What its policy says stays.
    ///
    /// # Errors
    /// The target refuses or cannot be reached.
    pub async fn delete_url(&self, qualifier: Option<&str>) -> Result<(), CallError> {
        let connection = self.connection();
        let call = connection
            .control()
            .delete_function_url_config()
            .function_name(self.name())
            .set_qualifier(qualifier.map(str::to_owned));
        let answer = call.send().await.map(|_| ());
        connection.answered("DeleteFunctionUrlConfig", answer)
    }
}

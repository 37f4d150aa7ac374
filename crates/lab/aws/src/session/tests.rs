use super::*;
use crate::connection::lambda_config;
use crate::error::CallFailure;
use crate::function::{Invoke, InvokeKind};
use crate::target::TargetRequest;
use crate::testing::{Answer, LocalServer};
use aws_config::SdkConfig;
use aws_sdk_lambda::Client;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use std::sync::Mutex;

async fn session(url: String) -> Session {
    let request = TargetRequest {
        endpoint_url: Some(url),
        credentials: Some(Credentials {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: "secret".into(),
            session_token: None,
        }),
        ..TargetRequest::default()
    };
    Session::open(SessionOptions {
        target: request.resolve().unwrap(),
        region: Some("eu-west-1".into()),
        engine: EngineStarter::new("false", "unused"),
        clock: ids::SystemClock::shared(),
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn an_invocation_comes_back_whole() {
    let log = "REPORT RequestId: r\tDuration: 1.5 ms\tBilled Duration: 2 ms\t\
               Memory Size: 128 MB\tMax Memory Used: 40 MB\t\n";
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, log);
    let answer = Answer::json(200, "{\"digest\":\"x\"}")
        .header("x-amz-log-result", &encoded)
        .header("x-amz-executed-version", "$LATEST")
        .header("x-amzn-requestid", "r");
    let server = LocalServer::start(answer).await;
    let session = session(server.url()).await;
    let invoke = Invoke {
        payload: "{}".into(),
        log_tail: true,
        qualifier: Some("prod".into()),
        kind: InvokeKind::Answer,
    };
    let answer = session.function("f").invoke(invoke).await.unwrap();
    assert_eq!((answer.status, answer.function_error), (200, None));
    assert_eq!(answer.payload, "{\"digest\":\"x\"}");
    assert_eq!(answer.report.unwrap().duration_ms, 1.5);
    assert_eq!(answer.request_id.as_deref(), Some("r"));
    let request = server.requests().remove(0).to_lowercase();
    assert!(request.starts_with("post /2015-03-31/functions/f/invocations?qualifier=prod "));
    assert!(request.contains("x-amz-log-type: tail"), "{request}");
    assert!(request.contains("akidexample"), "{request}");
}

#[tokio::test]
async fn a_refusal_keeps_the_words_of_aws_and_is_not_repeated() {
    let answer = Answer::json(
        404,
        "{\"Type\":\"User\",\"Message\":\"Function not found: f\"}",
    )
    .header("x-amzn-errortype", "ResourceNotFoundException")
    .header("x-amzn-requestid", "r");
    let server = LocalServer::start(answer).await;
    let session = session(server.url()).await;
    let error = session.function("f").configuration(None).await.unwrap_err();
    assert_eq!(error.code(), Some("ResourceNotFoundException"));
    assert!(error.is_refusal());
    let text = error.to_string();
    assert!(
        text.contains("Function not found: f") && text.contains(&server.url()),
        "{text}"
    );
}

#[tokio::test]
async fn a_failed_invocation_is_never_sent_twice() {
    let answer =
        Answer::json(500, "{\"Message\":\"later\"}").header("x-amzn-errortype", "ServiceException");
    let server = LocalServer::start(answer).await;
    let session = session(server.url()).await;
    let error = session
        .function("f")
        .invoke(Invoke::default())
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("ServiceException"));
    assert!(!error.is_refusal());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_target_that_is_not_there_is_told_apart() {
    let closed = LocalServer::start(Answer::json(200, "{}"))
        .await
        .stop()
        .await;
    let error = session(closed)
        .await
        .function("f")
        .invoke(Invoke::default())
        .await;
    let failure = error.unwrap_err().failure;
    assert!(matches!(failure, CallFailure::Unreachable(_)), "{failure}");
}

/// Notes where a request would go, and lets none out.
#[derive(Debug, Clone, Default)]
struct Nowhere(Arc<Mutex<Vec<String>>>);

impl HttpConnector for Nowhere {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.0.lock().unwrap().push(request.uri().to_owned());
        HttpConnectorFuture::ready(Err(ConnectorError::user("nothing leaves".into())))
    }
}

async fn destination(endpoint: Option<&str>) -> String {
    let nowhere = Nowhere::default();
    let connector = SharedHttpConnector::new(nowhere.clone());
    let shared = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url("http://127.0.0.1:4566")
        .region(Region::from_static("eu-west-1"))
        .credentials_provider(aws_sdk_lambda::config::SharedCredentialsProvider::new(
            made_up_credentials(),
        ))
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .build();
    let client = Client::from_conf(lambda_config(&shared, endpoint.map(str::to_owned)).build());
    client.list_functions().send().await.unwrap_err();
    nowhere.0.lock().unwrap().remove(0)
}

#[tokio::test]
async fn aws_means_aws_whatever_endpoint_the_environment_names() {
    let given = destination(Some("http://127.0.0.1:4567")).await;
    assert!(given.starts_with("http://127.0.0.1:4567/"), "{given}");
    let aws = destination(None).await;
    assert!(
        aws.starts_with("https://lambda.eu-west-1.amazonaws.com/"),
        "{aws}"
    );
}

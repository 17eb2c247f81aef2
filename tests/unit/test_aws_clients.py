"""boto3's session reads botocore's models by a reader of its own."""

from __future__ import annotations

import botocore.loaders
import pytest

from waybill.aws.clients import ModelFiles

SERVICES = ("cognito-idp", "events", "lambda", "s3", "secretsmanager", "sesv2", "stepfunctions")


@pytest.mark.parametrize("service", SERVICES)
def test_models_are_those_that_botocore_reads(service: str) -> None:
    ours, botocores = botocore.loaders.Loader(), botocore.loaders.Loader()
    ours.file_loader = ModelFiles()  # not the session's loader: what it has read, clients have changed
    for kind in ("service-2", "endpoint-rule-set-1"):
        assert ours.load_service_model(service, kind) == botocores.load_service_model(service, kind)
    assert ours.load_data("endpoints") == botocores.load_data("endpoints")
    with pytest.raises(botocore.exceptions.UnknownServiceError):
        ours.load_service_model("nothing", "service-2")

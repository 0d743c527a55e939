"""Requests that the OpenAPI description allows and forbids, made by schemathesis, against a real socket."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, response_schema_conformance, status_code_conformance
from schemathesis.checks import not_a_server_error

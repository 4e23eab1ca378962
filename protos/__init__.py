"""The contract: protocol buffers of package ``radiolucent.v1`` and the code generated from them."""

from .radiolucent.v1 import (
    classification_pb2,
    classification_pb2_grpc,
    explanation_pb2,
    explanation_pb2_grpc,
    image_pb2,
    model_pb2,
    model_pb2_grpc,
    profile_pb2,
    profile_pb2_grpc,
    server_pb2,
    server_pb2_grpc,
)

__all__ = [
    "classification_pb2",
    "classification_pb2_grpc",
    "explanation_pb2",
    "explanation_pb2_grpc",
    "image_pb2",
    "model_pb2",
    "model_pb2_grpc",
    "profile_pb2",
    "profile_pb2_grpc",
    "server_pb2",
    "server_pb2_grpc",
]

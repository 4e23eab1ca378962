"""The gRPC gateway: Triton's majority vote and the explanation engine behind one contract."""

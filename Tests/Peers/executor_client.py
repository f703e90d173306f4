#!/usr/bin/python3
"""An independent client of executor.proto: grpcio and Google's protobuf, not our transport and not protobuf-c.

    executor_client.py ADDRESS METHOD REQUEST [--timeout SECONDS]

REQUEST is the request's JSON form. Prints one line of JSON: {"status": …, "details": …, "response": …, "metadata": …}.
SIGUSR1 cancels the call.
"""
import argparse
import json
import pathlib
import signal
import subprocess
import tempfile

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

SERVICE = "executor.v1.ExecutorService"


PROTO = pathlib.Path(__file__).parents[2] / "Sources/ExecutorProto/executor/v1/executor.proto"


def messages(method):
    """The classes of a method's request and response, as executor.proto has them now."""
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(
            ["protoc-c", f"--proto_path={PROTO.parents[2]}", f"--descriptor_set_out={file.name}", PROTO], check=True
        )
        descriptors = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    for file in descriptors.file:
        pool.Add(file)
    method = pool.FindServiceByName(SERVICE).FindMethodByName(method)
    factory = message_factory.MessageFactory(pool)
    return factory.GetPrototype(method.input_type), factory.GetPrototype(method.output_type)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("method")
    parser.add_argument("request")
    parser.add_argument("--timeout", type=float)
    options = parser.parse_args()

    # Until there is a call to cancel.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    request, response = messages(options.method)
    with grpc.insecure_channel(options.address, [("grpc.enable_http_proxy", 0)]) as channel:
        call = channel.unary_unary(
            f"/{SERVICE}/{options.method}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        ).future(
            json_format.Parse(options.request, request()),
            timeout=options.timeout,
            metadata=[("x-request-id", "request-1"), ("traceparent", "00-ab-cd-01")],
        )
        signal.signal(signal.SIGUSR1, lambda *_: call.cancel())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
        result = {"status": call.code().name, "details": call.details(), "response": None, "metadata": {}}
        if call.code() == grpc.StatusCode.OK:
            result["response"] = json_format.MessageToDict(call.result(), preserving_proto_field_name=True)
            result["metadata"] = dict(call.trailing_metadata())
        print(json.dumps(result, sort_keys=True), flush=True)


main()

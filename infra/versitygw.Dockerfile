# The S3 server of the compose file: versitygw over a folder, built from the version that the Go checksum database knows.
ARG GO=golang:1.25-bookworm
ARG DEBIAN=debian:12-slim

FROM ${GO} AS build
RUN CGO_ENABLED=0 go install github.com/versity/versitygw/cmd/versitygw@v1.8.0

FROM ${DEBIAN} AS versitygw
RUN groupadd --gid 10001 versitygw \
    && useradd --uid 10001 --gid versitygw --no-create-home --shell /usr/sbin/nologin versitygw \
    && install -d -o versitygw -g versitygw /data
COPY --from=build /go/bin/versitygw /usr/local/bin/versitygw
USER 10001:10001
VOLUME /data
EXPOSE 7070
# a bucket is a folder
CMD ["/bin/sh", "-c", "mkdir -p /data/lake /data/artifacts && exec versitygw --port :7070 --health /health posix /data"]

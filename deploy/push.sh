#!/usr/bin/env bash
# Build the image `serve`, push it to Amazon ECR under its commit, and under its version where the commit has a tag v*.
# Prints the image's digest. Tags there never change: run again for the same commit, it builds and pushes nothing.
#
# Reads AWS_ECR_LOGIN_URI (<account>.dkr.ecr.<region>.amazonaws.com), ECR_REPOSITORY_NAME, and AWS's own variables.
set -euo pipefail
cd "$(dirname "$0")/.."

repository=$AWS_ECR_LOGIN_URI/$ECR_REPOSITORY_NAME
commit=$(git rev-parse HEAD)
version=$(git tag --points-at HEAD --sort=v:refname 'v*' | tail -n 1)

look_up() { # what of the image with a tag; nothing, where there is none
    aws ecr batch-get-image --repository-name "$ECR_REPOSITORY_NAME" --image-ids "imageTag=$1" \
        --query "images[].$2" --output text
}

digest=$(look_up "$commit" imageId.imageDigest)
if [[ -z $digest ]]; then
    aws ecr get-login-password | docker login --username AWS --password-stdin "$AWS_ECR_LOGIN_URI" >&2
    docker build --target serve --build-arg "VERSION=${version:-0}" --build-arg "REVISION=$commit" \
        --tag "$repository:$commit" . >&2
    docker push "$repository:$commit" >&2
    digest=$(look_up "$commit" imageId.imageDigest)
fi

if [[ -n $version ]]; then
    released=$(look_up "$version" imageId.imageDigest)
    if [[ -z $released ]]; then
        aws ecr put-image --repository-name "$ECR_REPOSITORY_NAME" --image-tag "$version" \
            --image-manifest "$(look_up "$commit" imageManifest)" >&2
    elif [[ $released != "$digest" ]]; then
        echo "push: $version is another commit's image, $released. A version is released once: choose a new one." >&2
        exit 1
    fi
fi
echo "$digest"

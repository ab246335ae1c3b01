# Functions to find a program of a Debian package, for tests only. Source this file, do not run it.
#
# Set before:
#   program        the name of the program and of its package
#   version_flag   the flag that prints the version
#   override       the path of an executable to use; empty for none
#   override_name  the name of the variable that has this path
# Define before:
#   fetch_packages OPTION...  fetches the packages into ., with these options of apt-get
#   write_wrapper DIR         writes DIR/bin/$program, which runs the program unpacked in DIR/root
# Then call print_path.

cache=${LDK_SERVER_REGTEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ldk-server-regtest}
prefix=$cache/$program

say() {
	echo "get-$program: $*" >&2
}

runs() {
	"$1" "$version_flag" >/dev/null 2>&1
}

# Unpacks the packages into the directory $1.
install_debian_package() {
	local into=$1 apt=$1/apt options deb
	if ! command -v apt-get >/dev/null; then
		say "there is no apt on this machine"
		return 1
	fi
	say "downloading the package $program"
	mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/debs" \
		"$into/root" "$into/bin"
	options=(
		-qq -o "Dir::State=$apt/state" -o Dir::State::status=/var/lib/dpkg/status
		-o "Dir::Cache=$apt/cache" -o "Dir::Cache::archives=$apt/debs"
		-o "APT::Sandbox::User=$(id -un)" -o APT::Update::Error-Mode=any
		-o Acquire::http::Timeout=20 -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
	)
	mkdir -p "$apt/debs/partial"
	apt-get "${options[@]}" update >&2 || return 1
	(cd "$apt/debs" && fetch_packages "${options[@]}" >&2) || return 1
	for deb in "$apt"/debs/*.deb; do
		dpkg-deb -x "$deb" "$into/root" || return 1
	done
	rm -r "$apt"
	write_wrapper "$into"
	chmod +x "$into/bin/$program"
}

# Fills the cache. The installation appears by a rename, so an interrupted or concurrent run leaves no
# partial one.
install() {
	mkdir -p "$cache"
	if command -v flock >/dev/null; then
		exec 9>"$cache/$program.lock"
		flock 9
		if runs "$prefix/bin/$program"; then return; fi
	fi
	staging=$(mktemp -d "$cache/$program.XXXXXX")
	trap 'rm -rf "$staging"' EXIT
	mkdir "$staging/prefix"
	if install_debian_package "$staging/prefix" && runs "$staging/prefix/bin/$program"; then
		rm -rf "$prefix"
		mv "$staging/prefix" "$prefix"
		return
	fi
	say "found no $program and could not install one; set $override_name to the path of one"
	exit 1
}

# Prints the path of the override, of the program on the PATH, or of that in the cache.
print_path() {
	if [ -n "$override" ]; then
		if ! runs "$override"; then
			say "$override_name=$override does not run"
			exit 1
		fi
		echo "$override"
	elif runs "$program"; then
		command -v "$program"
	else
		runs "$prefix/bin/$program" || install
		echo "$prefix/bin/$program"
	fi
}
